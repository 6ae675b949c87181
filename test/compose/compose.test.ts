import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { configFrom, variables as ingestVariables } from '../../ingest/main.ts';
import { variables as alertsVariables } from '../../alerts/main.ts';
import { variables as apiVariables } from '../../api/main.ts';
import { variables as migrationsVariables } from '../../migrations/main.ts';
import { readEnvironment } from '#common/environment.ts';
import { present } from '#common/assert.ts';
import { datasourceType, provisionedDashboards } from '../../dashboards/source.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');
const exists = (path: string): boolean => existsSync(new URL(path, root));

/*
 * No Docker is needed to run this: the shapes are those of the Compose Specification, as far as the file uses it, and
 * strict, so that a misspelt key is an error here and not a setting that silently does nothing.
 */
const duration = z.string().regex(/^\d+(ms|s|m|h)$/);
const service = z.strictObject({
  build: z.literal('.').optional(),
  image: z.string(),
  command: z.array(z.string()).optional(),
  init: z.boolean().optional(),
  restart: z.enum(['unless-stopped', 'on-failure']),
  environment: z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/), z.string()),
  volumes: z.array(z.string()).optional(),
  ports: z.array(z.string()).optional(),
  ulimits: z.record(z.string(), z.strictObject({ soft: z.int(), hard: z.int() })).optional(),
  stop_grace_period: duration.optional(),
  depends_on: z
    .record(
      z.string(),
      z.strictObject({ condition: z.enum(['service_started', 'service_healthy', 'service_completed_successfully']) }),
    )
    .optional(),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.enum(['CMD', 'CMD-SHELL'])], z.string()),
      interval: duration,
      timeout: duration,
      retries: z.int(),
      start_period: duration.optional(),
    })
    .optional(),
});
const composeFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  'x-program': z.unknown(),
  'x-database': z.unknown(),
  services: z.record(z.string(), service.extend({ environment: service.shape.environment.default({}) })),
  volumes: z.record(z.string(), z.null()),
});

const compose = composeFile.parse(parse(read('docker-compose.yml'), { merge: true }));
const services = Object.entries(compose.services);
const serviceOf = (name: string): (typeof services)[number][1] => present(compose.services[name], `service ${name}`);

/** The environment with the defaults that Compose would put in. */
function environmentOf(name: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(serviceOf(name).environment).map(([key, value]) => [
      key,
      value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replaceAll(/\$\{\w+:\?[^}]*\}/g, 'Y'),
    ]),
  );
}

const programs = [
  { name: 'migrate', variables: migrationsVariables },
  { name: 'ingest', variables: ingestVariables },
  { name: 'alerts', variables: alertsVariables },
  { name: 'api', variables: apiVariables },
] as const;

describe('the programs', () => {
  test.each(programs)('$name is given only variables that it reads, and each that it needs', ({ name, variables }) => {
    const environment = environmentOf(name);
    const unread = Object.keys(environment).filter((key) => !(key in variables));
    expect(unread).toEqual([]);
    expect(() => readEnvironment(variables as z.ZodRawShape, environment)).not.toThrow();
  });

  test.each(programs)('$name is started as package.json starts it', ({ name }) => {
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(read('package.json')));
    expect(serviceOf(name).command?.join(' ')).toBe(scripts[name]);
  });

  test('ingest reads the hub that the emulator has, through a group of its own', () => {
    const entity = z.object({
      Name: z.string(),
      PartitionCount: z.string(),
      ConsumerGroups: z.array(z.object({ Name: z.string() })),
    });
    const emulator = z
      .object({
        UserConfig: z.object({
          // The emulator knows one namespace, of this name.
          NamespaceConfig: z.tuple([
            z.object({ Type: z.literal('EventHub'), Name: z.literal('emulatorNs1'), Entities: z.tuple([entity]) }),
          ]),
          LoggingConfig: z.object({ Type: z.enum(['File', 'Console', 'File,Console']) }),
        }),
      })
      .parse(JSON.parse(read('local/emulator/Config.json')));
    const [hub] = emulator.UserConfig.NamespaceConfig[0].Entities;
    const config = configFrom(environmentOf('ingest'));
    expect(hub.Name).toBe(config.hub.hub);
    expect(hub.PartitionCount).toBe('4');
    expect(hub.ConsumerGroups.map((group) => group.Name)).toContain(config.hub.consumerGroup);
    expect(config.hub.access).toMatchObject({ connectionString: expect.stringContaining('sb://eventhubs;') });
    expect(config.hub.access).toMatchObject({
      connectionString: expect.stringContaining('UseDevelopmentEmulator=true'),
    });
  });

  test('the listeners of a container are open to the other containers', () => {
    expect(environmentOf('api')['HOST']).toBe('0.0.0.0');
    expect(environmentOf('ingest')['INGEST_METRICS_HOST']).toBe('0.0.0.0');
    expect(environmentOf('alerts')['ALERTS_METRICS_HOST']).toBe('0.0.0.0');
  });
});

describe('the file', () => {
  test('images are pinned', () => {
    for (const [name, { image }] of services) expect(image, name).toMatch(/^[\w./-]+:\d+\.\d+(\.\d+)*$/);
    const { version } = z.object({ version: z.string() }).parse(JSON.parse(read('package.json')));
    for (const { name } of programs) expect(serviceOf(name).image).toBe(`gatemeter:${version}`);
  });

  test('ports are bound to loopback, each once', () => {
    const ports = services.flatMap(([, { ports = [] }]) => ports);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\d+:\d+$/);
    expect(new Set(ports.map((port) => port.split(':')[1])).size).toBe(ports.length);
  });

  test('what is mounted exists: files read-only, volumes declared', () => {
    const mounts = services.flatMap(([, { volumes = [] }]) => volumes);
    for (const mount of mounts) {
      const [source = '', target = '', mode] = mount.split(':');
      expect(target).toMatch(/^\//);
      if (!source.startsWith('./')) expect(Object.keys(compose.volumes)).toContain(source);
      else expect([source, exists(source), mode]).toEqual([source, true, 'ro']);
    }
    const used = mounts.map((mount) => mount.split(':')[0]);
    for (const volume of Object.keys(compose.volumes)) expect(used).toContain(volume);
  });

  test('a service waits for what there is to wait for', () => {
    for (const [name, { depends_on = {} }] of services) {
      for (const [other, { condition }] of Object.entries(depends_on)) {
        const needed = serviceOf(other);
        if (condition === 'service_healthy') expect(needed.healthcheck, `${name} waits for ${other}`).toBeDefined();
        if (condition === 'service_completed_successfully') expect(needed.restart).toBe('on-failure');
      }
    }
  });

  test('no secret stands in it but as a default for this machine', () => {
    for (const [name, { environment }] of services) {
      for (const [key, value] of Object.entries(environment)) {
        if (key.endsWith('PASSWORD')) expect(value, `${name} ${key}`).toMatch(/^\$\{[A-Z_]+:-local-only\}$/);
      }
    }
    // The emulator takes this key and no other; it is in Microsoft's documentation.
    expect(environmentOf('ingest')['EVENT_HUB_CONNECTION_STRING']).toContain(';SharedAccessKey=SAS_KEY_VALUE;');
  });
});

describe('Grafana', () => {
  test('has every value that its provisioning files ask for', () => {
    const asked = read('dashboards/provisioning/datasources/clickhouse.yml').matchAll(/\$(GATEMETER_\w+)/g);
    const given = environmentOf('grafana');
    for (const [, name = ''] of asked) expect(given).toHaveProperty(name);
    expect(given['GF_PLUGINS_PREINSTALL_SYNC']).toMatch(new RegExp(`^${datasourceType}@4\\.(2\\d|[3-9]\\d)\\.\\d+$`));
  });

  test('finds the dashboards where they are mounted', () => {
    const mount = serviceOf('grafana').volumes?.find((volume) => volume.startsWith('./')) ?? '';
    const [source = '', target = ''] = mount.split(':');
    const [provider] = provisionedDashboards.providers;
    const path = present(provider, 'a provider').options.path;
    expect(path.startsWith(`${target}/`)).toBe(true);
    expect(exists(`${source}${path.slice(target.length)}/usage-and-spend.json`)).toBe(true);
  });

  test('reads as a user of its own, whose password the server has too', () => {
    const user = read('dashboards/clickhouse-user.xml');
    const { GATEMETER_CLICKHOUSE_USER: name, GATEMETER_CLICKHOUSE_PASSWORD: password } = environmentOf('grafana');
    expect(user).toContain(`<${name}>`);
    expect(user).toContain('from_env="GRAFANA_CLICKHOUSE_PASSWORD"');
    expect(environmentOf('clickhouse')['GRAFANA_CLICKHOUSE_PASSWORD']).toBe(password);
    expect(user).toContain(`ON ${environmentOf('grafana')['GATEMETER_CLICKHOUSE_DATABASE']}.`);
  });
});

describe('the image', () => {
  const dockerfile = read('Dockerfile');

  test('is a pinned Node of the version that the project runs on, without root', () => {
    const { devDependencies } = z
      .object({ devDependencies: z.record(z.string(), z.string()) })
      .parse(JSON.parse(read('package.json')));
    expect(dockerfile).toMatch(new RegExp(`^FROM node:${devDependencies['node']}-slim$`, 'm'));
    expect(dockerfile).toMatch(/^ENV NODE_ENV=production$/m);
    expect(dockerfile).toMatch(/^USER node\nCMD /m);
  });

  test('has every folder that its programs import from, and the build context lets them in', () => {
    const copied = [...dockerfile.matchAll(/^COPY (.+) \S+$/gm)].flatMap((match) => String(match[1]).split(' '));
    const allowed = read('.dockerignore').split('\n');
    for (const path of copied) {
      expect(exists(path), path).toBe(true);
      expect(allowed).toContain(`!${path}`);
    }
    for (const { name } of programs) {
      const program = present(serviceOf(name).command?.[1], `the program of ${name}`);
      expect(copied).toContain(program.split('/')[0]);
      expect(existsSync(fileURLToPath(new URL(program, root)))).toBe(true);
    }
    for (const library of ['common', 'clickhouse']) expect(copied).toContain(library);
  });
});
