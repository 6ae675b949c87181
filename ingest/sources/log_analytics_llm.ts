import type { Event } from '../event.ts';
import type { Format } from '../format.ts';
import { isRowOf, resourceLog, unknownColumns } from '../table_row.ts';
import { Reader } from '../reader.ts';
import { llmEvent } from './apim_llm.ts';

const source = 'log_analytics_llm';

const members = (
  'correlationId sequenceNumber deploymentName modelName requestId isStreamCompletion promptTokens completionTokens ' +
  'totalTokens promptCachedTokens requestMessages responseMessages region'
).split(' ');

const unwanted = new Set('apiversion apiversion_s operationname_s sequencenumber sequencenumber_d'.split(' '));

export const logAnalyticsLlm: Format = {
  source,
  recognises: (row) =>
    isRowOf(row, 'ApiManagementGatewayLlmLog', 'GatewayLlmLogs', ['PromptTokens', 'CompletionTokens']),
  decode,
};

/**
 * Rows of ApiManagementGatewayLlmLog, or of AzureDiagnostics: what `apim_llm` reads from the hub, without the cached
 * tokens, for which the table has no column. They are unknown then, not 0, and may be inside the prompt: such usage is
 * partial.
 */
function decode(row: Reader): Event {
  const event = llmEvent(new Reader(resourceLog(row, members)));
  if (event.kind === 'rejected' || event.kind === 'dropped') return { ...event, source };
  const { usage_quality, usage_cache_read_input_tokens: cached } = event.fields;
  const quality = usage_quality === 'exact' && cached === null ? 'partial' : usage_quality;
  const fields = { ...event.fields, usage_quality: quality };
  return { ...event, source, fields, unknown_fields: unknownColumns(row, unwanted) };
}
