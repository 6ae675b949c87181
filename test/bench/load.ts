import { readTrace } from '../../local/trace.ts';
import { trafficMessages, type TrafficMessage } from '../../local/traffic.ts';

export const partitionCount = 4;

/** The trace's messages, the same in every process of one run. */
export async function loadMessages(endsAtMs: number): Promise<TrafficMessage[]> {
  return trafficMessages(await readTrace(), { seed: 1, endsAtMs, partitionCount });
}
