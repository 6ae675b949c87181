import { callId } from '../call_id.ts';
import { captureColumns } from '../capture.ts';
import { noFields, noUsage, type Event, type Quality } from '../event.ts';
import type { Format } from '../format.ts';
import { clientNetwork } from '../network.ts';
import { address } from '../provider.ts';
import type { Reader } from '../reader.ts';
import { gatewayName, regionName } from './azure_resource.ts';

const source = 'apim_policy_published';

export const apimPolicyPublished: Format = {
  source,
  recognises: (record) =>
    ['EventTime', 'ServiceName', 'RequestId'].every((name) => record.has(name)) ||
    ['timestamp', 'requestId', 'method', 'url'].every((name) => record.has(name)),
  decode,
};

const ignored = new Set(['type', 'gatewayid', 'method', 'level', ...captureColumns]);

/**
 * Small published log-to-eventhub templates, one event per call, whose request id is the correlation id of the
 * diagnostic logs: the one that the portal inserts (EventTime, ServiceName, RequestId, RequestIp, OperationName), the
 * landing zone accelerator's (with SubscriptionId and TotalTokens as a text) and the one of Microsoft's AI gateway labs
 * (timestamp, requestId, method, url). They say who called and when; a total without its kinds has no price, so that
 * such usage is partial.
 * Sources: MicrosoftDocs/azure-docs api-management-howto-log-event-hubs.md; Azure/apim-landing-zone-accelerator
 * usage-tracking-with-eventhub.xml; Azure-Samples/AI-Gateway, skill apim-policies.
 */
function decode(record: Reader): Event {
  const gateway = gatewayName(record.text('ServiceName'));
  const requestId = record.text('RequestId');
  if (requestId === '') record.fail('missing_correlation_id', 'RequestId is missing');
  const started_at = record.dotnetInstant('EventTime') ?? record.dotnetInstant('timestamp');
  if (started_at === null) record.fail('missing_time', 'EventTime and timestamp are missing');
  const front = address(record.url('url'));
  const total = record.count('TotalTokens');
  const counted: Quality = total === null ? 'missing' : 'partial';
  const usage_quality: Quality = record.has('TotalTokens') ? counted : '';
  const status = record.status('status') ?? record.status('statusCode');
  const fields = {
    ...noFields,
    ...noUsage,
    call_id: callId(gateway, requestId),
    gateway,
    started_at,
    consumer_id: record.text('SubscriptionId'),
    product_id: record.text('ProductId'),
    api_id: record.text('ApiId'),
    operation_id: record.text('OperationId') || record.text('OperationName'),
    operation_name: front.operation_name,
    deployment: front.deployment,
    region: regionName(record.text('Region')),
    user_id: record.text('UserId'),
    client_network: clientNetwork(record.text('RequestIp')),
    error_type: status !== null && status >= 400 ? String(status) : '',
    http_response_status_code: status,
    usage_total_tokens: total,
    usage_quality,
  };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'call', source, fields, unknown_fields: record.unknown(ignored) };
}
