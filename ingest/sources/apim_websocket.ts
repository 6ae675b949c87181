import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { resourceOf, timeOf, unknownOf } from './azure_resource.ts';

const source = 'apim_websocket';

const ignored = new Set(['correlationid', 'eventname', 'source', 'destination', 'region', 'operationname']);

export const apimWebsocket: Format = { source, category: 'websocketconnectionlogs', decode };

/**
 * API Management WebSocketConnectionLogs: what happened on a connection, several records under the correlation id of
 * the request that opened it. They are one call with GatewayLogs, to which they add whether the connection failed;
 * the error itself is free text and stays outside.
 * Source: Azure Monitor reference, table ApiManagementWebSocketConnectionLogs; names on the wire are camelCase by the
 * rule of the other categories.
 */
function decode(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = timeOf(record);
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const error = p.value('error') ?? '';
  const fields = {
    ...noFields,
    call_id: callId(resource.gateway, resource.correlation_id),
    gateway: resource.gateway,
    started_at,
    region: resource.region,
    error_type: error === '' ? '' : 'websocket_error',
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'backend', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
