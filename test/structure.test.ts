import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { statements } from '../migrations/statements.ts';
import { views } from '#clickhouse/views.ts';

/*
 * The rules of the house, executed. Each failure names the file, the rule and the remedy. Length of files and functions
 * and default exports are rules of .oxlintrc.json.
 */
const root = new URL('..', import.meta.url).pathname;
const libraries = ['common', 'clickhouse'];
const programs = ['migrations', 'ingest', 'alerts', 'api', 'dashboards', 'local'];

function filesUnder(folder: string, ending: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

function exists(path: string): boolean {
  return statSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
}

const sources = [...libraries, ...programs].filter(exists).flatMap((folder) => filesUnder(folder, '.ts'));
const text = (file: string): string => readFileSync(join(root, file), 'utf8');
/** Without comments, in which words of SQL are only words. */
const code = (file: string): string => text(file).replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, '');
const imports = (file: string): string[] =>
  [...text(file).matchAll(/^\s*(?:import|export)\b[^;]*?from\s+'([^']+)'|import\('([^']+)'\)|^import '([^']+)'/gm)].map(
    (m) => String(m[1] ?? m[2] ?? m[3]),
  );

function offending(rule: string, files: readonly string[], wrong: (file: string) => string[]): void {
  const found = files.flatMap((file) => wrong(file).map((what) => `${file}: ${what}. Rule: ${rule}`));
  expect(found).toEqual([]);
}

test('a program cannot be imported by name: only the libraries have one', () => {
  const manifest = JSON.parse(text('package.json')) as { imports: Record<string, string> };
  expect(Object.keys(manifest.imports).sort()).toEqual(['#clickhouse/*', '#common/*']);
});

test('direction holds: # goes down, ./ stays, ../ is for inner folders, and only local/ reaches a program', () => {
  const inner = new Set(['sources', 'usage', 'routes', 'channels', 'pages']);
  offending('imports go down; move what two programs share into a library', sources, (file) => {
    const [top = ''] = file.split('/');
    return imports(file).flatMap((name) => {
      if (name.startsWith('#clickhouse/') && top === 'common') return [`common may not import ${name}`];
      if (!name.startsWith('../')) return [];
      if (inner.has(basename(dirname(file))))
        return join(dirname(file), name).startsWith(top) ? [] : [`${name} leaves the program`];
      if (top === 'local' && /^\.\.\/[a-z]+\/main\.ts$/.test(name)) return [];
      return [`${name} goes up`];
    });
  });
});

test('each package has one door, so that its quirks are known in one place', () => {
  const doors: readonly (readonly [name: RegExp, door: RegExp])[] = [
    [/^@azure\/event-hubs$/, /^(ingest\/hub|local\/producer)\.ts$/],
    [/^@azure\/(eventhubs-checkpointstore-blob|storage-blob)$/, /^ingest\/hub\.ts$/],
    [/^@azure\/identity$/, /^ingest\/credential\.ts$/],
    [/^@azure\/monitor-query-logs$/, /^ingest\/log_analytics\.ts$/],
    [/^@azure\/monitor-query-metrics$/, /^ingest\/metrics_api\.ts$/],
    [/^@clickhouse\/client$/, /^clickhouse\//],
    [/^(chdb|rhea)$/, /^local\//],
    [/^(hono|@hono\/)/, /^(api\/|ingest\/intake\.ts$)/],
    [/^@opentelemetry\/(sdk|exporter)/, /^common\/telemetry\.ts$/],
    [/^@grafana\//, /^dashboards\//],
    [/^nodemailer$/, /^alerts\/channels\/email\.ts$/],
    [/^standardwebhooks$/, /^alerts\/channels\/webhook\.ts$/],
    [/^yaml$/, /^(alerts\/config|dashboards\/provisioning)\.ts$/],
  ];
  offending('use the door, or widen it', sources, (file) =>
    imports(file).filter((name) => doors.some(([pattern, door]) => pattern.test(name) && !door.test(file))),
  );
});

test('configuration enters through main.ts only', () => {
  offending(
    'read process.env in main.ts and pass the value',
    sources.filter((file) => basename(file) !== 'main.ts'),
    (file) => (/\bprocess\.env\b/.test(text(file)) ? ['reads process.env'] : []),
  );
});

test('pure files know no clock, no chance and no machine', () => {
  const pure =
    /^(ingest\/(event|message|reader|provider\w*|decode|rows|envelope|network|header|moderation|throttle|ticks|table_row|http_message|capture|nested|instant|redact|secret|call_id|format|mapping(_(?!file)\w+)?)|ingest\/(sources|usage)\/.*|clickhouse\/(view|views|tables|ledger|pipeline|question|money|books|statements|invoices)|alerts\/(state|evaluate|outbox|message)|api\/window|dashboards\/(?!main).*)\.ts$/;
  offending(
    'pass it in',
    sources.filter((file) => pure.test(file)),
    (file) => [
      ...imports(file).filter((name) => name.startsWith('node:')),
      ...(text(file).match(/\b(Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\()/g) ?? []),
    ],
  );
});

test('SQL stands in .sql files and clickhouse/view.ts', () => {
  // The catalogue, the runner's own bookkeeping, and the door, which is about SQL.
  const exempt = /^(clickhouse\/(view|contract)|migrations\/main|local\/door[a-z-]*)\.ts$/;
  offending(
    'make a view in migrations/views and declare it',
    sources.filter((file) => !exempt.test(file)),
    (file) =>
      (
        code(file).match(
          /\b(SELECT\b[^;`]{0,400}?\bFROM|INSERT INTO|CREATE (TABLE|VIEW)|ALTER TABLE|DELETE FROM|OPTIMIZE TABLE)\b/g,
        ) ?? []
      ).map(String),
  );
});

test('names say what a file is', () => {
  const empty = /^(utils?|helpers?|types|service|manager|index)\.ts$/;
  offending('name it after the thing', [...sources, ...filesUnder('test', '.ts')], (file) =>
    empty.test(basename(file)) ? [basename(file)] : [],
  );
});

test('no file only re-exports others', () => {
  offending('import from where it stands', sources, (file) => {
    const lines = text(file)
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.trim().startsWith('//'));
    return lines.length > 0 && lines.every((line) => /^export .* from /.test(line)) ? ['is a barrel'] : [];
  });
});

test('migrations are numbered without a gap and never change once released', () => {
  const files = readdirSync(join(root, 'migrations'))
    .filter((name) => name.endsWith('.sql'))
    .sort();
  expect(files.map((name) => Number(name.slice(0, 4)))).toEqual(files.map((_, index) => index + 1));
  const released = JSON.parse(text('migrations/released.json')) as Record<string, string>;
  const now = Object.fromEntries(
    files.map((name) => [
      name,
      createHash('sha256')
        .update(text(`migrations/${name}`))
        .digest('hex'),
    ]),
  );
  for (const [name, sha256] of Object.entries(released))
    expect(now[name], `${name} was released; add a new migration`).toBe(sha256);
});

test('each view has one declaration, and each declaration one view', () => {
  const defined = filesUnder('migrations/views', '.sql').flatMap((file) => {
    const all = statements(text(file));
    expect(all.length, `${file} defines one view`).toBe(1);
    const name = /CREATE OR REPLACE VIEW (\w+)/.exec(all[0] ?? '')?.[1];
    expect(basename(file).replace(/^\d+_/, ''), `${file} is named after its view`).toBe(`${name}.sql`);
    return name === undefined ? [] : [name];
  });
  const declared = views.map((view) => view.name);
  // Views that only other views read need no declaration.
  const base = new Set([
    'grouped_calls',
    'priced_models',
    'book',
    'book_notes',
    'book_borders',
    'tenant_terms',
    'timed_calls',
  ]);
  expect(declared.toSorted()).toEqual(defined.filter((name) => !base.has(name)).toSorted());
});

test('each decoder has fixtures: a format without an example is a guess', () => {
  const decoders = readdirSync(join(root, 'ingest/sources'))
    .filter((name) => /export function decode/.test(text(`ingest/sources/${name}`)))
    .map((name) => name.replace('.ts', ''));
  for (const name of decoders) expect(exists(`test/fixtures/${name}`), `test/fixtures/${name} is missing`).toBe(true);
});

test('each alert rule has a heading in the runbook, and each rule that a view finds has a test', () => {
  const rules = [...text('migrations/0009_alert_rules.sql').matchAll(/^\('(\w+)', /gm)].map((m) => String(m[1]));
  const headings = [...text('docs/runbook.md').matchAll(/^## (\w+)$/gm)].map((m) => String(m[1]));
  expect(headings.toSorted(), 'docs/runbook.md has a heading for each rule, and none besides').toEqual(
    rules.toSorted(),
  );
  const found = filesUnder('migrations/views', '.sql').map(text).join('\n');
  const tests = filesUnder('test', '.test.ts').map(text).join('\n');
  for (const rule of rules.filter((name) => found.includes(`'${name}'`)))
    expect(tests.includes(rule), `no test names the rule ${rule}`).toBe(true);
});

test('every test states a guarantee and none waits for time to pass', () => {
  offending(
    'await the condition',
    filesUnder('test', '.test.ts').filter((file) => !file.endsWith('structure.test.ts')),
    (file) => [
      ...(text(file).match(/\b(test|it|describe)\.(only|skip|todo|fails)\(/g) ?? []),
      ...(text(file).match(/await (delay|sleep|setTimeout)\(/g) ?? []),
      ...(text(file).match(/\bvi\.mock\(/g) ?? []),
    ],
  );
});
