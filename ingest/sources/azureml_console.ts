import type { Event } from '../event.ts';
import type { Format } from '../format.ts';
import type { Reader } from '../reader.ts';
import { membersOf } from './azure_resource.ts';

const source = 'azureml_console';

export const azuremlConsole: Format = { source, category: 'amlonlineendpointconsolelog', decode };

/**
 * Azure ML online endpoints, console log: lines that a container printed. They may hold anything, a request's text
 * included, and what they say of a request is in the traffic log, so that they are dropped and counted.
 */
function decode(record: Reader): Event {
  const p = membersOf(record);
  if (p === null || p.text('deploymentName') + p.text('instanceId') + p.text('containerName') === '') {
    const problem = p?.problem ?? record.problem;
    const detail = 'neither deployment, instance nor container is named';
    return { kind: 'rejected', source, ...(problem ?? { reason: 'wrong_type', detail }) };
  }
  return { kind: 'dropped', source, reason: 'console', call_id: '' };
}
