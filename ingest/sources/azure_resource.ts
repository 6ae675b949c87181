import { captureColumns } from '../capture.ts';
import type { Reader } from '../reader.ts';

/** What every Azure Monitor resource log says around its `properties`. */
export type Resource = {
  /** The service's own name in its resource id; unique in Azure for an API Management service. */
  readonly gateway: string;
  readonly correlation_id: string;
  readonly region: string;
  readonly properties: Reader;
};

/** Null when the record has no properties; the reader then carries the problem. */
export function resourceOf(record: Reader): Resource | null {
  const properties = record.object('properties');
  if (properties === null) {
    record.fail('wrong_type', 'properties is missing');
    return null;
  }
  const correlation_id = properties.text('correlationId') || record.text('correlationId');
  if (correlation_id === '')
    record.fail('missing_correlation_id', 'neither the record nor its properties have a correlationId');
  const gateway = gatewayName(record.text('resourceId'));
  return { gateway, correlation_id, region: regionName(record.text('location')), properties };
}

/**
 * The members of a log whose wire is not documented: in `properties`, or beside the category as a table has them. Null
 * when properties is no object; the reader then carries the problem.
 */
export function membersOf(record: Reader): Reader | null {
  if (!record.has('properties')) return record;
  const properties = record.object('properties');
  if (properties === null) record.fail('wrong_type', 'properties is empty');
  return properties;
}

/** The start of the record, which every log must have; the reader carries the problem where it has none. */
export function timeOf(record: Reader): string | null {
  const time = record.instant('time') ?? record.instant('TimeGenerated');
  if (time === null) record.fail('missing_time', 'time is missing');
  return time;
}

/** What Azure Monitor and its services write around `properties`; lower case. */
export const azureNames: ReadonlySet<string> = new Set([
  ...(
    'time timegenerated timestamp resourceid operationname category type operationversion resulttype resultsignature ' +
    'resultdescription durationms calleripaddress correlationid identity level location properties tenantid tenant ' +
    'deploymentname deploymentversion sku isrequestsuccess truncated httpstatuscodecategory event'
  ).split(' '),
  ...captureColumns,
]);

/** Names that no decoder knows, inside `properties` and around them. */
export function unknownOf(record: Reader, properties: Reader, ignored: ReadonlySet<string>): string[] {
  const inside = properties.unknown(ignored);
  const outside = record === properties ? [] : record.unknown(azureNames);
  return outside.length === 0 ? inside : [...new Set([...inside, ...outside])].sort().slice(0, 32);
}

/**
 * The service's name from its resource id, which is in upper case in some logs and in mixed case in others, or from its
 * host name. A workspace of the service logs under an id of its own below the service's: it is the same gateway, and a
 * call that both levels log is one.
 */
export function gatewayName(resourceId: string): string {
  const lower = resourceId.toLowerCase().replace(/\/+$/, '');
  const service = /\/microsoft\.apimanagement\/service\/([^/]+)/.exec(lower)?.[1];
  return service ?? lower.slice(lower.lastIndexOf('/') + 1).replace(/\.azure-api\.(net|us|cn)$/, '');
}

/** Which of gateway, back end and its deployment a resource id is about; names in lower case. */
type Place = { readonly gateway: string; readonly backend: string; readonly deployment: string };

/** Only API Management is a gateway; an account, an endpoint or any other resource is what stands behind one. */
export function placeOf(resourceId: string): Place {
  const lower = resourceId.toLowerCase().replace(/\/+$/, '');
  if (lower.includes('/microsoft.apimanagement/')) return { gateway: gatewayName(lower), backend: '', deployment: '' };
  const endpoint = /\/(?:online|batch)endpoints\/([^/]+)(?:\/deployments\/([^/]+))?/.exec(lower);
  const account = /\/accounts\/([^/]+)/.exec(lower);
  const backend = endpoint?.[1] ?? account?.[1] ?? lower.slice(lower.lastIndexOf('/') + 1);
  return { gateway: '', backend, deployment: endpoint?.[2] ?? '' };
}

/** `East US` in logs and `eastus` in metrics and price lists are one region. */
export function regionName(location: string): string {
  return location.toLowerCase().replaceAll(' ', '');
}
