import { z } from '@hono/zod-openapi';
import type { Row } from '#clickhouse/view.ts';
import { attributedCalls, callRecords } from '#clickhouse/views.ts';
import { completeness, rowSchema } from '../answer.ts';
import { ProblemError } from '../problem.ts';
import { type App, register } from '../route.ts';
import type { Setting } from '../setting.ts';
import { callArguments, knownAt } from '../window.ts';

const { bucket: _bucket, ...columns } = attributedCalls.columns;
const names = Object.keys(columns) as (keyof typeof columns)[];

/** One call and the evidence for it. */
export function callRoute(app: App, setting: Setting): void {
  const call = rowSchema(columns).extend({
    records: z.array(rowSchema(callRecords.columns)).describe('What it was sealed from, by position in its stream'),
  });
  const meta = z.object({ complete_through: z.record(z.string(), z.iso.datetime()) });
  const route = {
    path: '/v1/calls/{call_id}',
    summary: 'One call with the records it was sealed from',
    description: 'A call that another tenant pays for answers like one that does not exist.',
    roles: ['viewer', 'on_call', 'admin'],
    query: { as_known_at: knownAt },
    params: {
      call_id: z
        .string()
        .describe('gateway/correlation-id, with the slash as %2F')
        .openapi({ example: 'apim-prod/8d7c1f2e' }),
    },
    ok: { description: 'The call', content: { 'application/json': { schema: z.object({ data: call, meta }) } } },
  } as const;
  register(app, route, async (c, given, { call_id: id }) => {
    const complete = await completeness(setting.db);
    const records = await setting.db.read(
      callRecords,
      { call_id: id },
      { orderBy: ['stream', 'sequence_number', 'record_index'].map(ascending) },
    );
    const found = await callOf(setting, id, records, given, c.get('principal').visibleTenants);
    if (found === undefined)
      throw new ProblemError('not_found', 'there is no such call, or it is not visible to this key');
    return c.json({ data: { ...found, records }, meta: { complete_through: complete.bySource } });
  });
}

function ascending(column: string): { column: keyof typeof callRecords.columns; descending: boolean } {
  return { column: column as keyof typeof callRecords.columns, descending: false };
}

/**
 * A call's key is its consumer and start, and both come from one of its records: so the sealed call is found by asking
 * for each millisecond that a record names, with the consumers that they name, instead of reading days.
 */
async function callOf(
  setting: Setting,
  id: string,
  records: readonly Row<typeof callRecords.columns>[],
  given: { as_known_at?: Date | undefined },
  visible: readonly string[],
): Promise<Row<typeof columns> | undefined> {
  const instants = [...new Set(records.map((record) => Date.parse(record.started_at ?? record.enqueued_at)))];
  const consumers = [...new Set(['', ...records.map((record) => record.consumer_id)])];
  for (const instant of instants) {
    const window = { from: new Date(instant), to: new Date(instant + 1) };
    const args = callArguments({ ...given, consumer_id: consumers }, window, visible);
    const rows = await setting.db.read(attributedCalls, args, { columns: names });
    const found = rows.find((row) => row.call_id === id);
    if (found !== undefined) return found;
  }
  return undefined;
}
