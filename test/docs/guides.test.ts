import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { roles } from '../../api/auth.ts';
import { variables as apiVariables } from '../../api/main.ts';
import { variables as ingestVariables } from '../../ingest/main.ts';
import { apimPolicySchema } from '../../ingest/sources/apim_policy.ts';
import { variables as migrationsVariables } from '../../migrations/main.ts';
import { provisionedDatasource } from '../../dashboards/source.ts';
import { fragment, fragments } from './policy.ts';

const docs = new URL('../../docs/', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, docs), 'utf8');
const operate = read('operate.md');
const connect = read('connect-apim.md');

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

describe('operate.md', () => {
  test.each([
    ['`npm run migrate`', migrationsVariables],
    ['`npm run ingest`', ingestVariables],
    ['`npm run api`', apiVariables],
  ] as const)('has every variable of %s, as the program describes it', (heading, variables) => {
    // On a difference, the expected table is the one to put there.
    expect(tableBelow(heading)).toBe(tableOf(variables).replaceAll(/ +/g, ' '));
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

test('every command and every link of the guides leads somewhere', () => {
  const { scripts } = JSON.parse(read('../package.json')) as { scripts: Record<string, string> };
  for (const text of [operate, connect]) {
    for (const [, script = ''] of text.matchAll(/npm run ([\w:]+)/g)) expect(Object.keys(scripts)).toContain(script);
    for (const [, program = ''] of text.matchAll(/node ([\w/]+\.ts)/g))
      expect(existsSync(new URL(`../${program}`, docs))).toBe(true);
    for (const [, link = ''] of text.matchAll(/\]\(([^)]+)\)/g))
      expect([link, existsSync(new URL(link, docs))]).toEqual([link, true]);
  }
});
