import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { alertDeliveries, alertEvents } from '#clickhouse/alert_tables.ts';
import { journalLine } from '../../alerts/alert.ts';
import { detect } from '../../alerts/detect.ts';
import { commit } from '../../alerts/journal.ts';
import type { Message } from '../../alerts/message.ts';
import type { Database } from '#clickhouse/client.ts';
import { openSchema, type Schema } from '../ingest/schema.ts';
import { type Received, type ReceiverServer, startReceiver } from './receiver.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const canaries = ['canary-in-a-path', 'canary-authorization', secret.slice(6), 'canary-database'];
let schema: Schema;
let directory: string;
let hook: ReceiverServer;
beforeAll(async () => {
  schema = await openSchema();
  directory = await mkdtemp(join(tmpdir(), 'gatemeter-alerts-'));
  hook = await startReceiver();
});
afterAll(async () => {
  await hook.close();
  await schema.close();
  await rm(directory, { recursive: true, force: true });
});

type Program = { output: () => string; stop: () => Promise<number | null>; ended: Promise<number | null> };

function start(environment: Record<string, string>): Program {
  const child = spawn(process.execPath, [fileURLToPath(new URL('../../alerts/main.ts', import.meta.url))], {
    env: {
      CLICKHOUSE_URL: schema.config.url,
      CLICKHOUSE_DATABASE: schema.config.database,
      CLICKHOUSE_PASSWORD: schema.config.password,
      ALERTS_ROUND_MS: '100',
      ...environment,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return {
    output: () => output,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

async function came(holds: (one: Received) => boolean): Promise<Received> {
  const before = hook.received.find(holds);
  if (before !== undefined) return before;
  return new Promise((resolve) => {
    const answer = hook.answer;
    hook.answer = (one) => {
      if (holds(one)) {
        hook.answer = answer;
        resolve(one);
      }
      return answer(one);
    };
  });
}

test('the program tells of a delivery_failing receiver, says that it is alive, ends when asked, and logs no secret', async () => {
  const file = join(directory, 'alerts.yaml');
  await writeFile(
    file,
    `
receivers:
  - { name: hook, channel: webhook, url: '${hook.url}/hook', secret: '\${HOOK_SECRET}' }
  - { name: broken, channel: slack, webhook_url: '${hook.url}/canary-in-a-path' }
  - { name: unreachable, channel: alertmanager, url: 'http://127.0.0.1:9', authorization: canary-authorization }
routes: [{ receivers: [hook, broken, unreachable] }]
watchdog: [{ receiver: hook, every_seconds: 10 }]
private_addresses: [127.0.0.0/8]
`,
  );
  hook.answer = ({ path }) => ({ status: path.includes('canary') ? 400 : 200 });
  const now = new Date().toISOString();
  const dead = [
    'k:trigger:pager',
    'pager',
    '0011223344556677-x',
    'trigger',
    1,
    'dead',
    403,
    'refused',
    null,
    'test',
    now,
  ];
  await schema.db.insert(alertDeliveries, JSON.stringify(dead));
  const program = start({ ALERTS_CONFIG: file, HOOK_SECRET: secret });
  const told = await came(({ path, body }) => path === '/hook' && body.includes('alert.trigger'));
  const message = (JSON.parse(told.body) as { data: Message }).data;
  expect(message).toMatchObject({
    rule: 'delivery_failing',
    severity: 'page',
    labels: { receiver: 'pager' },
    observed: 1,
    affected: ['0011223344556677-x'],
    evidence: { last_answer: 'status 403 refused', attempts: 1 },
    runbook_url: 'http://127.0.0.1:8080/runbook#delivery_failing',
  });
  await came(({ body }) => body.includes('"watchdog"'));
  expect(await program.stop()).toBe(0);
  // Both failures were logged, by name and reason; nothing of what is secret was.
  expect(program.output()).toContain('"event":"delivery_dead"');
  expect(program.output()).toContain('"event":"delivery_failed"');
  const stored = JSON.stringify(await schema.db.query('SELECT * FROM alert_deliveries, alert_receivers'));
  for (const canary of canaries) {
    expect(program.output()).not.toContain(canary);
    expect(stored).not.toContain(canary);
  }
});

test('a tick whose token a crash has burnt is written under the next one, once; a tick of a rival is not written over', async () => {
  const tokens: (string | undefined)[] = [];
  const db: Database = {
    ...schema.db,
    insert: async (table, lines, token) => {
      tokens.push(token);
      await schema.db.insert(table, lines, token);
    },
  };
  const at = Date.parse('2026-10-01T00:00:00Z');
  const lineOf = (evaluator: string): string =>
    journalLine('tick', { tick: 7_000, position: 0, evaluator, recordedAt: at, evaluatedAt: at });
  // What a crash between the token and the row leaves behind: the token is known, and there is no row.
  await db.insert(alertEvents, lineOf('crashed'), '7000/0');
  await db.command("DELETE FROM alert_events WHERE evaluator = 'crashed'");
  expect(await commit(db, 7_000, 'ours', at, [lineOf('ours')])).toEqual({ kind: 'committed' });
  expect(tokens).toEqual(['7000/0', '7000/0', '7000/1']);
  expect(await commit(db, 7_000, 'rival', at, [lineOf('rival')])).toEqual({ kind: 'lost', to: 'ours' });
  const rows = await db.query<{ evaluator: string }>('SELECT evaluator FROM alert_events WHERE tick = 7000');
  expect(rows).toEqual([{ evaluator: 'ours' }]);
});

test('a detector that fails is named with its code, the others answer, and the evaluation says that it is not complete', async () => {
  const instant = Date.parse('2026-10-01T00:00:00Z');
  const at = { ledger: instant, wall: instant };
  expect(await detect(schema.db, at)).toMatchObject({ failed: [], complete: true });
  await schema.db.command('DROP VIEW slo_burn');
  const { detections, failed, complete } = await detect(schema.db, at);
  expect(failed).toEqual([{ detector: 'slo_burn', clock: 'ledger', reason: 'code 46' }]);
  expect(complete).toBe(false);
  expect(detections.map(({ rule }) => rule)).toContain('delivery_failing');
});

test('wrong variables, a wrong file and a file that is not there end it with code 2 and every problem', async () => {
  const file = join(directory, 'wrong.yaml');
  await writeFile(
    file,
    'receivers: [{ name: a, channel: slack, webhook_url: canary-database }]\nroutes: [{ receivers: [b] }]\n',
  );
  const wrong = start({ ALERTS_CONFIG: file });
  expect(await wrong.ended).toBe(2);
  expect(wrong.output()).toContain('receivers.0.webhook_url');
  expect(wrong.output()).not.toContain('canary');
  const absent = start({ ALERTS_CONFIG: join(directory, 'none.yaml') });
  expect(await absent.ended).toBe(2);
  expect(absent.output()).toContain('cannot be read');
  const variables = start({ ALERTS_ROUND_MS: 'soon', PUBLIC_URL: 'nowhere' });
  expect(await variables.ended).toBe(2);
  expect(variables.output()).toMatch(/2 problem\(s\)[^]*ALERTS_ROUND_MS[^]*PUBLIC_URL/);
});
