import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { configFrom } from '../../ingest/main.ts';
import { fragments } from './policy.ts';

/*
 * The compiler of Bicep is no package of npm, so what is held here is what it would say about names and brackets, and
 * what it cannot know: that the file agrees with the guide, the fragments and ingest.
 */

const folder = new URL('../../docs/apim/', import.meta.url);
const source = readFileSync(new URL('gatemeter.bicep', folder), 'utf8');
/** Without comments; a `//` inside a text does not occur. */
const code = source.replaceAll(/\/\/[^\n]*/g, '');

function declared(): string[] {
  return [...code.matchAll(/^(?:param|var|resource|output) (\w+)/gm)].map(([, name]) => String(name));
}

describe('gatemeter.bicep', () => {
  test('closes every bracket that it opens, in order', () => {
    const open: string[] = [];
    const pairs: Record<string, string> = { '}': '{', ']': '[', ')': '(' };
    for (const sign of code.replaceAll(/'[^']*'/g, "''")) {
      if ('{[('.includes(sign)) open.push(sign);
      else if (sign in pairs) expect(open.pop()).toBe(pairs[sign]);
    }
    expect(open).toEqual([]);
  });

  test('declares each name once, and names nothing that it does not declare', () => {
    const names = declared();
    expect(new Set(names).size).toBe(names.length);
    const local = ['name', 'index', 'fragment'];
    const used = [
      ...code.matchAll(/(?:parent|scope|dependsOn|in)(?::| ) *\[? *(\w+)/g),
      ...code.matchAll(/(\w+)\.(?:id|name|location|identity|sender|receiver|value)\b/g),
    ];
    expect(used.length).toBeGreaterThan(20);
    for (const [what, name] of used) expect([...names, ...local, 'for'], what).toContain(name);
    for (const name of names.filter((name) => code.includes(`param ${name} `) || code.includes(`var ${name} `)))
      expect(code.split(new RegExp(`\\b${name}\\b`)).length, `${name} is used`).toBeGreaterThan(2);
  });

  test('deploys every fragment that there is, from files that exist', () => {
    const loaded = [...code.matchAll(/name: '([\w-]+)', value: loadTextContent\('([^']+)'\)/g)];
    expect(loaded.map(([, name]) => String(name)).sort()).toEqual([...fragments].sort());
    for (const [, name, file] of loaded) {
      expect(readdirSync(folder)).toContain(file);
      expect(file).toBe(`${name}.fragment.xml`);
    }
  });

  test('logs both categories that ingest decodes, all of their calls, and no text', () => {
    for (const category of ['GatewayLogs', 'GatewayLlmLogs'])
      expect(code).toContain(`{ category: '${category}', enabled: true }`);
    expect(code).toContain("sampling: { samplingType: 'fixed', percentage: 100 }");
    expect(code).toContain("largeLanguageModel: { logs: 'enabled' }");
    expect(code).not.toMatch(/\b(?:messages|maxSizeInBytes|body):/);
  });

  test('makes the hub that ingest reads by default, and holds no key', () => {
    const { hub } = configFrom({ CLICKHOUSE_URL: 'http://localhost:8123', EVENT_HUB_NAMESPACE: 'contoso' }).hub;
    expect(code).toContain(`var hubName = '${hub}'`);
    expect(code).not.toMatch(/listKeys|connectionString|SharedAccessKey|primaryKey/i);
    expect(code).toContain("identityClientId: 'SystemAssigned'");
  });
});
