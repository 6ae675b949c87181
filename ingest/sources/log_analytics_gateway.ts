import type { Event } from '../event.ts';
import type { Format } from '../format.ts';
import { isRowOf, resourceLog, unknownColumns } from '../table_row.ts';
import { Reader } from '../reader.ts';
import { gatewayEvent } from './apim_gateway.ts';

const source = 'log_analytics_gateway';

const members = (
  'correlationId url backendUrl responseCode backendResponseCode lastError.reason lastError.source errors cache ' +
  'apimSubscriptionId subscriptionId productId apiId operationId backendId userId backendTime clientTime requestSize ' +
  'responseSize requestHeaders backendRequestHeaders responseHeaders backendResponseHeaders responseBody backendResponseBody'
).split(' ');

/** In lower case; with the suffixes of AzureDiagnostics, because it gives every member one. */
const unwanted = new Set(
  (
    'method backendmethod backendprotocol clientprotocol clienttlsversion clienttlsciphersuite apirevision cachetime ' +
    'requestbody backendrequestbody tracerecords istracerequested istraceallowed istraceexpired ismastertrace workspaceid ' +
    'lasterrorelapsed lasterrorscope lasterrorsection lasterrormessage lasterrorpath lasterrortransporterrorcode ' +
    'lasterror_elapsed lasterror_scope lasterror_section lasterror_message lasterror_path lasterror_transporterrorcode'
  )
    .split(' ')
    .flatMap((name) => [name, `${name}_s`, `${name}_d`, `${name}_b`]),
);

const columns = ['ApimSubscriptionId', 'ApiId', 'ResponseCode', 'TotalTime', 'BackendTime', 'BackendUrl'];

export const logAnalyticsGateway: Format = {
  source,
  recognises: (row) => isRowOf(row, 'ApiManagementGatewayLogs', 'GatewayLogs', columns),
  decode,
};

/**
 * Rows of ApiManagementGatewayLogs, or of AzureDiagnostics in workspaces that keep the older table: what
 * `apim_gateway` reads from the hub, under Log Analytics' column names. TotalTime is the log's durationMs.
 */
function decode(row: Reader): Event {
  const event = gatewayEvent(new Reader(resourceLog(row, members)));
  if (event.kind === 'rejected' || event.kind === 'dropped') return { ...event, source };
  return { ...event, source, unknown_fields: unknownColumns(row, unwanted) };
}
