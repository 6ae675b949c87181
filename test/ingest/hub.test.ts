import { expect, test } from 'vitest';
import { openHub } from '../../ingest/hub.ts';
import { openHub as openLocalHub } from '../support/hub-clients.ts';

test.each([
  ['before it was ever there', false],
  ['after it has answered', true],
])('who leaves does not wait for a hub that is away, %s', async (_, answers) => {
  const local = await openLocalHub();
  const hub = await openHub({
    access: { kind: 'connection_string', connectionString: local.connectionString },
    hub: 'gateway-logs',
    consumerGroup: '$Default',
    generation: 1,
    checkpointContainerUrl: null,
  });
  if (answers) expect(await hub.partitions()).toHaveLength(2);
  await local.close();
  // Without leaving, each fails only when all has been tried again, with the error of the connection.
  const asked = [hub.partitions(), hub.held('0'), hub.identity()];
  hub.leave();
  asked.push(hub.identity());
  for (const one of asked) await expect(one).rejects.toMatchObject({ name: 'AbortError' });
  await hub.close();
});
