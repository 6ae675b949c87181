import { z } from '@hono/zod-openapi';
import type { Row } from '#clickhouse/view.ts';
import { attributedCalls, callKeys, callRecords } from '#clickhouse/views.ts';
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
        .describe(
          'Any id that a log has of the call: the correlation id where it is a UUID, else gateway/id with the slash as %2F',
        )
        .openapi({ example: '8d7c1f2e-5d3b-4f0e-9c43-6a1f5a9b2c11' }),
    },
    ok: { description: 'The call', content: { 'application/json': { schema: z.object({ data: call, meta }) } } },
  } as const;
  register(app, route, async (c, given, { call_id: id }) => {
    const complete = await completeness(setting.db);
    const found = await callOf(setting, id, given, c.get('principal').visibleTenants);
    if (found === undefined)
      throw new ProblemError('not_found', 'there is no such call, or it is not visible to this key');
    const order = (['stream', 'sequence_number', 'record_index'] as const).map((column) => ({
      column,
      descending: false,
    }));
    const records = await setting.db.read(callRecords, { call_ids: found.call_ids }, { orderBy: order });
    return c.json({ data: { ...found, records }, meta: { complete_through: complete.bySource } });
  });
}

/** The call under any of its ids, looked for at the few places where it may stand instead of in days of calls. */
async function callOf(
  setting: Setting,
  id: string,
  given: { as_known_at?: Date | undefined },
  visible: readonly string[],
): Promise<Row<typeof columns> | undefined> {
  for (const { consumer_id, started_at } of await setting.db.read(callKeys, { call_id: id })) {
    const instant = Date.parse(started_at);
    const window = { from: new Date(instant), to: new Date(instant + 1) };
    const args = callArguments({ ...given, consumer_id: [consumer_id] }, window, visible);
    const rows = await setting.db.read(attributedCalls, args, { columns: names });
    const found = rows.find((row) => row.call_ids.includes(id));
    if (found !== undefined) return found;
  }
  return undefined;
}
