import { noFields, type Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { membersOf, placeOf, regionName, timeOf, unknownOf } from './azure_resource.ts';

const source = 'azureml_event';

const ignored = new Set(['message', 'operationname', 'category', 'subscriptionid', 'azuremlworkspacename']);

export const azuremlEvent: Format = { source, category: 'amlonlineendpointeventlog', decode };

/**
 * Azure ML online endpoints, event log: the life of an instance's containers (Pulled, Created, Started, BackOff,
 * LivenessProbeFailed, ReadinessProbeFailed, Killing). The message is not kept; from it comes one word: the container
 * that was created or started, or why one was killed.
 * Source: MicrosoftDocs/azure-ai-docs, how-to-monitor-online-endpoints.md.
 */
function decode(record: Reader): Event {
  const p = membersOf(record);
  const started_at = timeOf(record);
  if (p === null) return rejected(record);
  const event_name = p.text('name');
  if (event_name === '') record.fail('wrong_type', 'name is missing');
  const place = placeOf(record.text('resourceId'));
  const message = p.value('message');
  const fields = {
    ...noFields,
    started_at,
    deployment: p.text('deploymentName') || place.deployment,
    backend: p.text('endpointName') || place.backend,
    region: regionName(p.text('location') || record.text('location')),
    instance_id: p.text('instanceId'),
    event_name,
    event_reason: reasonOf(typeof message === 'string' ? message : ''),
  };
  if (p.problem) record.fail(p.problem.reason, p.problem.detail);
  if (record.problem) return rejected(record);
  return { kind: 'lifecycle', source, fields, unknown_fields: unknownOf(record, p, ignored) };
}

/** Of the documented messages only; a container's name is a DNS label, so that no other text fits. */
function reasonOf(message: string): string {
  if (/^container \S{1,63} failed liveness probe\b/i.test(message)) return 'liveness';
  if (/^stopping container \S{1,63}$/i.test(message)) return 'stopping';
  return /^(?:created|started) container ([a-z0-9][a-z0-9-]{0,62})$/i.exec(message)?.[1] ?? '';
}

function rejected(record: Reader): Event {
  return { kind: 'rejected', source, ...(record.problem ?? { reason: 'wrong_type', detail: '' }) };
}
