import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { roles } from '../../api/auth.ts';
import { readDelivery } from '../../alerts/config.ts';
import { variables as alertsVariables } from '../../alerts/main.ts';
import { parseKeyOptions } from '../../api/keys.ts';
import { variables as apiVariables } from '../../api/main.ts';
import { backfillVariables } from '../../ingest/backfill.ts';
import { variables as ingestVariables } from '../../ingest/main.ts';
import { pollVariables } from '../../ingest/poll.ts';
import { apimPolicySchema } from '../../ingest/sources/apim_policy.ts';
import { variables as migrationsVariables } from '../../migrations/main.ts';
import { provisionedDatasource } from '../../dashboards/source.ts';
import { fragment, fragments } from './policy.ts';

const docs = new URL('../../docs/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');
const operate = read('operate.md');
const connect = read('connect-apim.md');
const decisions = readdirSync(new URL('adr/', docs)).sort();
const pages = [
  '../README.md',
  'operate.md',
  'connect-apim.md',
  'runbook.md',
  ...decisions.map((name) => `adr/${name}`),
];
const manifest = JSON.parse(read('../package.json')) as Record<
  'scripts' | 'dependencies' | 'devDependencies' | 'optionalDependencies',
  Record<string, string>
>;

/** The table of a program's variables, as the guide must have it. */
function tableOf(variables: Readonly<Record<string, z.ZodType>>): string {
  const lines = Object.entries(variables).map(([name, type]) => {
    const needed = type.safeParse(undefined).success ? '' : 'required';
    return `| \`${name}\` | ${needed} | ${type.description} |`;
  });
  return ['| variable | | description |', '| --- | --- | --- |', ...lines].join('\n');
}

/** The first table below a heading, its columns no wider than their text. */
function tableBelow(heading: string): string {
  const [, below = ''] = operate.split(`### ${heading}\n`);
  const lines = below.split('\n');
  const first = lines.findIndex((line) => line.startsWith('|'));
  const length = lines.slice(first).findIndex((line) => !line.startsWith('|'));
  return lines
    .slice(first, first + length)
    .map((line) => line.replaceAll(/ +/g, ' ').replaceAll(/-{3,}/g, '---'))
    .join('\n');
}

test('a command whose output another one reads is silent: npm writes a banner of its own to the same stream', () => {
  const commands = [...pages, 'finance.md'].flatMap((page) =>
    read(page)
      .split('\n')
      .filter((line) => /npm run [^#]* \| \w/.test(line) && !line.startsWith('|')),
  );
  expect(commands.length).toBeGreaterThan(0);
  for (const command of commands) expect(command).toContain('npm run --silent ');
});

describe('operate.md', () => {
  test.each([
    ['`npm run migrate`', migrationsVariables],
    ['`npm run ingest`', ingestVariables],
    ['`npm run alerts`', alertsVariables],
    ['`npm run api`', apiVariables],
    ['`npm run backfill`', backfillVariables],
    ['`npm run poll`', pollVariables],
  ] as const)('has every variable of %s, as the program describes it', (heading, variables) => {
    // On a difference, the expected table is the one to put there.
    expect(tableBelow(heading)).toBe(tableOf(variables).replaceAll(/ +/g, ' '));
  });

  test('has an example of the file of receivers that is accepted as it stands', () => {
    const [, example = ''] = /```yaml\n([\s\S]*?)```/.exec(operate) ?? [];
    const environment = {
      PAGERDUTY_KEY: 'k'.repeat(32),
      SLACK_URL: 'https://hooks.slack.com/services/x',
      HOOK_SECRET: `whsec_${'A'.repeat(32)}`,
      SMTP_PASSWORD: 'p',
    };
    const read = readDelivery(example, environment);
    expect(read.kind === 'problems' ? read.problems : []).toEqual([]);
    expect(read.kind === 'delivery' ? read.delivery.receivers.size : 0).toBeGreaterThan(3);
  });

  test('has every variable of Grafana', () => {
    for (const [, name] of JSON.stringify(provisionedDatasource).matchAll(/\$(\w+)/g)) expect(operate).toContain(name);
  });

  test('names the roles that there are', () => {
    for (const role of roles) expect(operate).toContain(`\`${role}\``);
  });
});

describe('connect-apim.md', () => {
  test('says of each fragment where it belongs', () => {
    for (const name of fragments) {
      expect(connect).toMatch(new RegExp(`^\\| \`${name}\` +\\| (in|out)bound`, 'm'));
      expect(connect).toContain(`<include-fragment fragment-id="${name}" />`);
    }
    expect(connect).toContain(apimPolicySchema);
    expect(fragment('gatemeter-call')).toContain(apimPolicySchema);
  });
});

/** The anchors of a page, as its headings make them. */
function anchorsOf(page: URL): string[] {
  return [...readFileSync(page, 'utf8').matchAll(/^#+ (.+)$/gm)].map((found) =>
    String(found[1])
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}

test.each(pages)('every command, file and link of %s leads somewhere', (name) => {
  const page = new URL(name, docs);
  const text = readFileSync(page, 'utf8');
  for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g))
    expect(Object.keys(manifest.scripts)).toContain(script);
  // In quotes or after `node`: a path below one of the folders, with * for any name.
  for (const [, path = ''] of text.matchAll(
    /(?:`|node |^ +(?:[├└]─> )?)((?:common|clickhouse|migrations|ingest|alerts|api|dashboards|local|test|docs)\/[\w./*-]+)/gm,
  ))
    expect([path, globSync(path, { cwd: new URL('../', docs) }).length > 0]).toEqual([path, true]);
  for (const [, link = ''] of text.matchAll(/\]\(([^)]+)\)/g)) {
    if (link.startsWith('https:')) continue;
    const target = new URL(link, page);
    expect([link, existsSync(target)]).toEqual([link, true]);
    if (target.hash !== '') expect(anchorsOf(target)).toContain(target.hash.slice(1));
  }
});

/** All that people copy commands from. */
const printed = ['../README.md', '../docker-compose.yml', ...globSync('*.md', { cwd: docs }).sort()];

test('every command that makes a key is accepted as it is printed', () => {
  const commands = printed.flatMap((name) =>
    [...read(name).matchAll(/(?:api\/main\.ts key|npm run key --) (--[^`|\n]+)/g)].map(([, args = '']) => [name, args]),
  );
  expect(new Set(commands.map(([name]) => name)).size).toBeGreaterThanOrEqual(5);
  for (const [name, args = ''] of commands) {
    expect(() => parseKeyOptions(args.trim().split(/\s+/)), `${name}: ${args}`).not.toThrow();
  }
});

test('decisions are numbered without a gap, and say what would change them', () => {
  expect(decisions.map((name) => Number(name.slice(0, 4)))).toEqual(decisions.map((_, index) => index + 1));
  for (const name of decisions)
    for (const heading of ['Context', 'Decision', 'Consequences', 'What would change it'])
      expect([name, read(`adr/${name}`)]).toEqual([name, expect.stringContaining(`\n## ${heading}\n`)]);
});

test('a decision that the code names is there', () => {
  const files = globSync('{common,clickhouse,migrations,ingest,api,dashboards,local}/**/*.{ts,sql}', {
    cwd: new URL('../', docs),
  });
  const text = files.map((file) => read(`../${file}`)).join('\n');
  const named = [...text.matchAll(/docs\/adr\/([\w-]+\.md)/g)];
  expect(named.length).toBeGreaterThan(0);
  for (const [, name] of named) expect(decisions).toContain(name);
});

test('every package that is installed has its reason', () => {
  const reasons = read('adr/0001-house.md');
  const { dependencies, devDependencies, optionalDependencies } = manifest;
  for (const name of Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies }))
    expect(reasons).toContain(`\`${name}\``);
});
