import { once } from 'node:events';
import { type Database, openDatabase, type DatabaseConfig } from '#clickhouse/client.ts';
import type { Evaluator, EvaluatorOptions } from '../../alerts/evaluator.ts';
import { guard } from '../../alerts/outgoing.ts';
import { deliveryOf, evaluatorOf } from './stage.ts';

/**
 * What the parent asks of this process: to finish what the one before it began, to say so, and when told to go on, to
 * evaluate and deliver up to an instant with an evaluator that knows only what is stored, and to die at a step of it.
 */
type Asked = {
  readonly database: DatabaseConfig;
  readonly delivery: Record<string, unknown>;
  readonly through: number;
  /** Counted from 1. */
  readonly killAtStep: number;
};

const asked = JSON.parse(process.argv[2] ?? '') as Asked;
const delivery = deliveryOf(asked.delivery);
const loopback = guard(delivery.private_addresses);
const real = openDatabase(asked.database, 'test');
let steps = 0;

/** Every insert has a step before and one after it, and every request to a receiver one before it. */
function step(): void {
  steps += 1;
  if (steps === asked.killAtStep) process.kill(process.pid, 'SIGKILL');
}

const counted: Database = {
  ...real,
  insert: async (table, lines, token) => {
    step();
    await real.insert(table, lines, token);
    step();
  },
};

async function finish(through: number, db: Database, more: Partial<EvaluatorOptions> = {}): Promise<Evaluator> {
  const evaluator = evaluatorOf(db, delivery, more);
  do {
    await evaluator.round();
    await evaluator.deliver();
  } while ((evaluator.evaluatedAt ?? 0) < through || evaluator.dispatcher.waiting > 0);
  return evaluator;
}

await finish(0, real);
const told = once(process, 'message');
process.send?.('recovered');
await told;
const check: ReturnType<typeof guard>['check'] = async (host) => {
  step();
  return loopback.check(host);
};
await finish(asked.through, counted, { guard: { check } });
await real.close();
process.send?.({ steps });
process.disconnect?.();
