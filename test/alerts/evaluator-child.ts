import type { Database } from '#clickhouse/client.ts';
import { openDatabase, type DatabaseConfig } from '#clickhouse/client.ts';
import { guard } from '../../alerts/outgoing.ts';
import { deliveryOf, evaluatorOf } from './stage.ts';

/** What the parent asks of this process: to evaluate and deliver all that is to do, and to die at a step of it. */
type Asked = {
  readonly database: DatabaseConfig;
  readonly delivery: Record<string, unknown>;
  readonly through: number;
  /** Counted from 1; 0 never. */
  readonly killAtStep: number;
};

const asked = JSON.parse(process.argv[2] ?? '') as Asked;
let steps = 0;

/** Every insert has a step before and one after it, and every request to a receiver one before it. */
function step(): void {
  steps += 1;
  if (steps === asked.killAtStep) process.kill(process.pid, 'SIGKILL');
}

const real = openDatabase(asked.database, 'test');
const db: Database = {
  ...real,
  insert: async (table, lines, token) => {
    step();
    await real.insert(table, lines, token);
    step();
  },
};
const delivery = deliveryOf(asked.delivery);
const loopback = guard(delivery.private_addresses);
const evaluator = evaluatorOf(db, delivery, {
  guard: {
    check: async (host) => {
      step();
      return loopback.check(host);
    },
  },
});
while (evaluator.evaluatedAt === null || evaluator.evaluatedAt < asked.through || evaluator.dispatcher.waiting > 0) {
  await evaluator.round();
  await evaluator.deliver();
}
await real.close();
process.send?.({ steps });
process.disconnect?.();
