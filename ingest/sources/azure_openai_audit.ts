import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { azureNames, placeOf, regionName, timeOf } from './azure_resource.ts';

const source = 'azure_openai_audit';

export const azureOpenaiAudit: Format = {
  source,
  // Other services of Azure have a category of this name, too.
  recognises: (record) => isNamed(record.peek('category'), /^audit$/i) && isNamed(record.peek('resourceId'), account),
  decode,
};

/** Who did it, and what Azure writes around every log. */
const ignored = new Set([...azureNames, 'assetidentity']);

const account = /\/microsoft\.cognitiveservices\/accounts\//i;

/**
 * Azure OpenAI and AI Foundry, Audit: what was done to an account, such as listing its keys. It is of no call, and who
 * did it is a person's object id, which is not kept.
 * Source: elastic/integrations, packages/azure_openai (Elastic License 2.0; facts only).
 */
function decode(record: Reader): Event {
  const event_name = record.text('operationName');
  if (event_name === '') record.fail('wrong_type', 'operationName is missing');
  const { backend } = placeOf(record.text('resourceId'));
  const region = regionName(record.text('location') || record.text('Tenant'));
  const fields = { ...noFields, backend, region, started_at: timeOf(record), event_name };
  if (record.problem) return { kind: 'rejected', source, ...record.problem };
  return { kind: 'lifecycle', source, fields, unknown_fields: record.unknown(ignored) };
}

function isNamed(value: unknown, pattern: RegExp): boolean {
  return typeof value === 'string' && pattern.test(value);
}
