import type { Reader } from '../reader.ts';

/** What every Azure Monitor resource log says around its `properties`. */
export type Resource = {
  /** The service's own name, the last part of its resource id; unique in Azure for an API Management service. */
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
  // Resource ids come in upper case from some services and in mixed case from others.
  const resourceId = record.text('resourceId').toLowerCase();
  const correlation_id = properties.text('correlationId') || record.text('correlationId');
  if (correlation_id === '')
    record.fail('missing_correlation_id', 'neither the record nor its properties have a correlationId');
  return { gateway: gatewayName(resourceId), correlation_id, region: regionName(record.text('location')), properties };
}

export function gatewayName(resourceId: string): string {
  return resourceId.slice(resourceId.lastIndexOf('/') + 1).toLowerCase();
}

/** `East US` in logs and `eastus` in metrics and price lists are one region. */
export function regionName(location: string): string {
  return location.toLowerCase().replaceAll(' ', '');
}
