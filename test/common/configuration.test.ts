import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { configFrom as alertsConfig } from '../../alerts/main.ts';
import { configFrom as apiConfig } from '../../api/main.ts';
import { configFrom as ingestConfig } from '../../ingest/main.ts';

/* Whoever starts a program with a wrong environment learns all that is wrong with it from one start, and no secret. */

const files = mkdtempSync(join(tmpdir(), 'gatemeter-configuration-'));
afterAll(() => rmSync(files, { recursive: true, force: true }));

const secret = 'canaryKey0123456789';
const complete = `Endpoint=sb://contoso.servicebus.windows.net/;SharedAccessKeyName=listen;SharedAccessKey=${secret}=`;
const database = { CLICKHOUSE_URL: 'http://localhost:8123' };

/** The lines of the message with which a configuration is refused. */
async function refusal(read: () => unknown): Promise<string[]> {
  const said = await Promise.resolve()
    .then(read)
    .then(
      () => 'accepted',
      (error: Error) => `${error.name}: ${error.message}`,
    );
  expect(said).toMatch(/^ConfigurationError: /);
  expect(said).not.toContain(secret);
  return said.split('\n');
}

test('ingest names what is missing, what is invalid, what contradicts, and what its files lack, in one message', async () => {
  const lines = await refusal(() =>
    ingestConfig({ INGEST_PACE_MS: 'soon', INGEST_MAPPINGS: join(files, 'nothing.json'), LOG_LEVEL: 'loud' }),
  );
  expect(lines[0]).toContain('5 problem(s)');
  expect(lines.slice(1).map((line) => line.trim().split(' ')[0])).toEqual([
    'CLICKHOUSE_URL',
    'INGEST_PACE_MS',
    'LOG_LEVEL',
    'set',
    `${join(files, 'nothing.json')}:`,
  ]);
});

test('alerts names the problems of its variables and of its file in one message', async () => {
  const file = join(files, 'alerts.yaml');
  writeFileSync(file, 'receivers:\n  - { name: pager, channel: pager }\nwatchdogs: []\n');
  const lines = await refusal(async () => alertsConfig({ ALERTS_CONFIG: file, PUBLIC_URL: 'gatemeter.example' }));
  expect(lines[0]).toContain('4 problem(s)');
  expect(lines.filter((line) => line.includes(file)).length).toBe(2);
  const absent = await refusal(async () => alertsConfig({ ...database, ALERTS_CONFIG: join(files, 'absent.yaml') }));
  expect(absent.join('\n')).toContain('absent.yaml cannot be read');
});

test.each(['localhost:8123', 'clickhouse.example', 'tcp://clickhouse:9000', 'ftp://clickhouse/'])(
  '%s is refused as an address over HTTP before anything is asked there',
  async (url) => {
    const lines = await refusal(() => apiConfig({ CLICKHOUSE_URL: url, INTAKE_URL: url }));
    expect(lines.map((line) => line.trim().split(' ')[0])).toEqual([
      'ConfigurationError:',
      'CLICKHOUSE_URL',
      'INTAKE_URL',
    ]);
  },
);

test.each([
  ['Endpoint=sb://contoso.servicebus.windows.net/', ['SharedAccessKeyName', 'SharedAccessKey']],
  [complete.replace('SharedAccessKeyName=listen;', ''), ['SharedAccessKeyName']],
  [complete.replace('Endpoint=', 'endpoint='), ['Endpoint']],
  [complete.replace('sb://', ''), ['Endpoint']],
])('a connection string that lacks something is refused by what it lacks: %#', async (text, lacks) => {
  const lines = await refusal(() => ingestConfig({ ...database, EVENT_HUB_CONNECTION_STRING: text }));
  expect(lines[0]).toContain(`${lacks.length} problem(s)`);
  for (const [index, name] of lacks.entries()) expect(lines[index + 1]).toContain(`it has no ${name}=`);
});

test('a connection string of one hub names the hub; another name beside it is refused without the key', async () => {
  const ofHub = `${complete};EntityPath=apim-logs`;
  expect(ingestConfig({ ...database, EVENT_HUB_CONNECTION_STRING: ofHub }).hub.hub).toBe('apim-logs');
  expect(ingestConfig({ ...database, EVENT_HUB_CONNECTION_STRING: complete }).hub.hub).toBe('gateway-logs');
  const named = { ...database, EVENT_HUB_CONNECTION_STRING: ofHub, EVENT_HUB_NAME: 'gateway-logs' };
  const lines = await refusal(() => ingestConfig(named));
  expect(lines[1]).toContain('EVENT_HUB_NAME is gateway-logs');
  expect(lines[1]).toContain('of the hub apim-logs');
});
