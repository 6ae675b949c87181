import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { allEnded, Demonstration } from './demonstration.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const key = `gm_${'k'.repeat(43)}`;
/** What the trace comes to, added up by hand. */
const totals = {
  calls: '19366',
  'input tokens': '22361870',
  'output tokens': '4088665',
  'list cost': '96.791325 USD',
};
const deadlineMs = 120_000;

async function dataDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'gatemeter-start-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Runs the printed command as a user would paste it; without curl its question is asked by hand. */
async function pasted(command: string): Promise<string> {
  if (spawnSync('curl', ['--version']).status === 0)
    return execFileSync('sh', ['-c', command.replace('curl ', 'curl -sS --fail ')], { encoding: 'utf8' });
  const [, authorization = '', url = ''] = /'Authorization: ([^']+)' '([^']+)'/.exec(command) ?? [];
  const response = await fetch(url, { headers: { authorization } });
  return response.text();
}

test(
  'a start counts the trace to the token, its printed command works, and the next start counts nothing twice',
  async () => {
    const data = await dataDirectory();
    const first = new Demonstration(data, ['--key', key]);
    await first.said('Ctrl-C stops everything');
    expect(first.totals()).toEqual(totals);
    expect(first.output).not.toContain('NOT BALANCED');
    expect(first.output).toMatch(/first answer after [\d.]+ s/);

    const command = `curl ${first.line('curl ')}`;
    expect(command).toContain(`Bearer ${key}`);
    const answer = JSON.parse(await pasted(command)) as { data: { tenant_id: string }[] };
    // The trace is the last hour, which may lie in the month before.
    const isOneMonth = new Date().getUTCMonth() === new Date(Date.now() - 2 * 3_600_000).getUTCMonth();
    if (isOneMonth) {
      expect(answer.data.map(({ tenant_id }) => tenant_id).sort()).toEqual([
        'legal',
        'platform',
        'research',
        'retail',
        'support',
      ]);
    }
    expect(await first.end('SIGINT')).toBe(0);
    await allEnded(data);

    const second = new Demonstration(data, ['--key', key]);
    await second.said('Ctrl-C stops everything');
    expect(second.totals()).toEqual(totals);
    expect(await second.end('SIGINT')).toBe(0);
  },
  deadlineMs,
);

test(
  'a start without traffic sends nothing and is ready; the key that it made itself opens it',
  async () => {
    const data = await dataDirectory();
    const started = new Demonstration(data, ['--traffic', 'none']);
    await started.said('Ctrl-C stops everything');
    const command = `curl ${started.line('curl ')}`;
    expect(command).toContain(readFileSync(join(data, 'api-key'), 'utf8'));
    expect(JSON.parse(await pasted(command))).toMatchObject({ data: [] });
    expect(await started.end('SIGINT')).toBe(0);
  },
  deadlineMs,
);

test(
  'a start that is killed half way leaves no process behind, and the next one goes on',
  async () => {
    const data = await dataDirectory();
    const killed = new Demonstration(data, ['--traffic', 'none']);
    await killed.said('starting the embedded ClickHouse');
    await killed.end('SIGKILL');
    await allEnded(data);

    const again = new Demonstration(data, ['--traffic', 'none']);
    await again.said('Ctrl-C stops everything');
    await again.end('SIGKILL');
    // At once: its engine may still be ending.
    const next = new Demonstration(data, ['--traffic', 'none']);
    await next.said('Ctrl-C stops everything');
    expect(await next.end('SIGINT')).toBe(0);
  },
  deadlineMs,
);

/** Every file of the hub with its size. */
function hubFiles(data: string): string[] {
  const names = readdirSync(join(data, 'hub'), { recursive: true, encoding: 'utf8' }).sort();
  return names.map((name) => `${name} ${statSync(join(data, 'hub', name)).size}`);
}

test(
  'a second start beside one that runs is refused with the reason, and touches nothing of it',
  async () => {
    const data = await dataDirectory();
    const first = new Demonstration(data, ['--traffic', 'none', '--key', key]);
    await first.said('Ctrl-C stops everything');
    const before = hubFiles(data);

    const second = new Demonstration(data, ['--key', `gm_${'s'.repeat(43)}`]);
    expect(await second.end()).toBe(2);
    expect(second.output).toContain('the embedded engine cannot open');
    expect(second.output).toContain('Remedy: end the other process');
    expect(second.output).not.toContain('    at ');
    // Two hubs on the same files would cut off and overwrite each other's messages.
    expect(hubFiles(data)).toEqual(before);
    expect(existsSync(join(data, 'traffic.json'))).toBe(false);
    expect(readFileSync(join(data, 'api-key'), 'utf8')).toBe(key);
    expect(JSON.parse(await pasted(`curl ${first.line('curl ')}`))).toMatchObject({ data: [] });
    expect(await first.end('SIGINT')).toBe(0);
  },
  deadlineMs,
);

test(
  'a start whose API or engine ends in the middle of the trace goes on, and counts it to the token',
  async () => {
    const data = await dataDirectory();
    const started = new Demonstration(data, ['--key', key]);
    await started.said('first answer');
    for (const role of ['api', 'engine']) started.killRole(role);
    await started.said('Ctrl-C stops everything');
    expect(started.output).toContain('api ended (SIGKILL) and is started again');
    expect(started.totals()).toEqual(totals);
    expect(await started.end('SIGINT')).toBe(0);
  },
  deadlineMs,
);

test(
  'Ctrl-C while the programs wait for an engine that goes leaves no process behind',
  async () => {
    const data = await dataDirectory();
    const started = new Demonstration(data, ['--traffic', 'none']);
    await started.said('starting ingest');
    await started.end('SIGINT');
    await allEnded(data);
  },
  deadlineMs,
);

test(
  'a port that is taken and a directory that is none are told as what they are',
  async () => {
    const data = await dataDirectory();
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void taken.close());
    const { port } = taken.address() as AddressInfo;
    for (const flag of ['--port', '--hub-port']) {
      const started = new Demonstration(data, ['--traffic', 'none', flag, String(port)]);
      expect(await started.end()).toBe(2);
      expect(started.output).toContain(`address already in use 127.0.0.1:${port}`);
      expect(started.output).not.toContain('    at ');
      await allEnded(data);
    }
    const file = join(data, 'file');
    writeFileSync(file, '');
    const started = new Demonstration(file, ['--traffic', 'none']);
    expect(await started.end()).toBe(2);
    expect(started.output).toContain(`--data ${file} cannot be used`);
  },
  deadlineMs,
);

test.each([
  [['--prot', '8080'], '--prot'],
  [['--port', 'http'], '--port http is not a number'],
  [['--port', '65536'], '--port 65536 is not a number from 0 to 65535'],
  [['--hub-port', '-1'], '--hub-port'],
  [['--seed', '1.5'], '--seed 1.5 is not a number'],
  [['--traffic', 'some'], '--traffic some is neither trace nor none'],
  [['--key', 'short'], '--key is not 16 to 256'],
  [['--key', 'with a space in the middle'], '--key'],
  [['everything'], 'everything is no part of the stack'],
])('%j is refused with a sentence that names it, and the usage', (args, sentence) => {
  const ran = spawnSync(process.execPath, [join(root, 'local/main.ts'), ...args], { encoding: 'utf8' });
  expect(ran.status).toBe(2);
  expect(ran.stderr.split('\n')[0]).toContain(sentence);
  expect(ran.stderr).toContain('npm start -- [--port N]');
  expect(ran.stderr).not.toContain('    at ');
});

test('the programs run on the Node that the project installs, whatever the machine has', () => {
  const version = execFileSync(join(root, 'node_modules/.bin/node'), ['--version'], { encoding: 'utf8' });
  expect(version).toMatch(/^v26\./);
});

test('the installer runs before that Node is there: plain JavaScript of Node 20, and no packages', () => {
  const file = join(root, 'local/install.mjs');
  const text = readFileSync(file, 'utf8');
  const checked = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8' });
  expect(checked.stderr).toBe('');
  expect(checked.status).toBe(0);
  const imports = [...text.matchAll(/\bfrom '([^']+)'|\bimport\('([^']+)'\)/g)].map((match) => match[1] ?? match[2]);
  expect(imports.length).toBeGreaterThan(0);
  expect(imports.filter((name) => name?.startsWith('node:') !== true)).toEqual([]);
  // What came after Node 20 and still parses here.
  const later =
    /\busing \w+ =|import\.meta\.(dirname|filename|main)|\bimport (defer|source)\b|Promise\.(try|withResolvers)|\bwith \{/;
  expect(later.exec(text)).toBeNull();
});
