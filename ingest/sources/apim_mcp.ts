import { callId } from '../call_id.ts';
import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import { address } from '../provider.ts';
import { resourceOf, timeOf, unknownOf } from './azure_resource.ts';
import type { Reader } from '../reader.ts';

const source = 'apim_mcp';

const ignored = new Set(
  (
    'correlationid apitype authenticationmethod clientname clientversion error operationname protocolversion region ' +
    'serverversion sessionid toolcount transporttype'
  ).split(' '),
);

export const apimMcp: Format = { source, category: 'gatewaymcplogs', decode };

/**
 * API Management GatewayMCPLogs: what a request was in the Model Context Protocol. It names no caller and shares its
 * correlation id with GatewayLogs, so that both are one call. The tool that was called, or else the method, stands as
 * the operation's id. `error` is free text and stays outside; its type is kept.
 * Source: Azure Monitor reference, table ApiManagementGatewayMCPLog; names on the wire are camelCase by the rule of the
 * other categories.
 */
function decode(record: Reader): Event {
  const resource = resourceOf(record);
  const started_at = timeOf(record);
  if (resource === null) return rejected(record);
  const p = resource.properties;
  const server = address(p.url('mcpServerEndpoint'));
  const method = p.text('method');
  const fields = {
    ...noFields,
    call_id: callId(resource.gateway, resource.correlation_id),
    gateway: resource.gateway,
    started_at,
    operation_id: p.text('toolName') || method,
    operation_name: method.toLowerCase() === 'tools/call' ? 'execute_tool' : '',
    backend: p.text('serverName') || server.host,
    region: resource.region,
    error_type: p.text('errorType'),
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'backend', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
