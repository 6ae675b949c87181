import { z } from '@hono/zod-openapi';
import { duplicates, losses, pipeline, recordCounts } from '#clickhouse/views.ts';
import { completeness, rowSchema } from '../answer.ts';
import { exported, type Format, formatOf } from '../export.ts';
import { type App, type AskedContext, listResponse, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { argument, format } from '../window.ts';

const dayMs = 86_400_000;

const count = z.string().openapi({ format: 'uint64', example: '1250' });

const meta = z.object({
  complete_through: z.record(z.string(), z.iso.datetime()),
  received: count.describe('Messages of all streams'),
  records: count.describe('Records in them'),
  duplicates: count.describe(
    'Of the records of calls, those that were repeated deliveries of a record already there; they change no call',
  ),
  balanced: z.boolean().describe('Every stream balances: nothing is missing and every record has become something'),
  losses: z
    .array(rowSchema(losses.columns))
    .describe('What is known to be missing of the last 24 hours, by what is lost and whose log lost it'),
  kinds: z.array(rowSchema(recordCounts.columns)).describe('What became of the records, by decoder, kind and reason'),
});

/** Whether anything is missing. */
export function pipelineRoute(app: App, setting: Setting): void {
  const route = {
    path: '/v1/pipeline',
    summary: 'Per stream: received, what became of it, and how far it has come',
    description:
      'The identity that must balance: received = watermark - first_sequence_number + 1 - lost, and records = call_records + part_records + dropped + rejected.',
    roles: ['on_call', 'admin'],
    query: { format },
    params: {},
    ok: listResponse(rowSchema(pipeline.columns), meta),
  } as const;
  register(app, route, async (c, given) => answer(c, setting, formatOf(c, given.format)));
}

async function answer(c: AskedContext, setting: Setting, wanted: Format): Promise<Response> {
  const complete = await completeness(setting.db);
  const order = [{ column: 'stream', descending: false }] as const;
  if (wanted !== 'json') {
    const columns = Object.keys(pipeline.columns) as (keyof typeof pipeline.columns)[];
    return exported(c, setting, {
      name: 'pipeline',
      format: wanted,
      view: pipeline,
      args: {},
      selection: { columns, orderBy: order },
      completeThrough: complete.through,
    });
  }
  const now = setting.now();
  const lastDay = { from: argument(new Date(now.getTime() - dayMs)), to: argument(now) };
  const [streams, kinds, repeated, lost] = await Promise.all([
    setting.db.read(pipeline, {}, { orderBy: order }),
    setting.db.read(recordCounts, {}, { orderBy: (['source', 'kind', 'reason'] as const).map(ascending) }),
    setting.db.read(duplicates, {}, { columns: ['records'] }),
    setting.db.read(losses, lastDay, { orderBy: (['loss', 'source'] as const).map(ascending) }),
  ]);
  c.header('Vary', 'Accept');
  return c.json({
    data: streams,
    meta: {
      complete_through: complete.bySource,
      received: total(streams.map((row) => row.received)),
      records: total(streams.map((row) => row.records)),
      duplicates: total(repeated.map((row) => row.records)),
      balanced: streams.every((row) => row.balanced),
      losses: lost,
      kinds,
    },
  });
}

function ascending<C extends string>(column: C): { column: C; descending: boolean } {
  return { column, descending: false };
}

function total(counts: readonly string[]): string {
  return String(counts.reduce((sum, n) => sum + BigInt(n), 0n));
}
