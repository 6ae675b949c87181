import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import type { Readable } from 'node:stream';
import type { Arguments, Selection, Types, View } from '#clickhouse/view.ts';
import { classify } from '#clickhouse/error.ts';
import { messageOf } from '#common/environment.ts';
import type { Asked } from './auth.ts';
import { type Filter, neutraliser, wholeParquet } from './csv.ts';
import { refuse } from './problem.ts';
import { DatabaseFailure } from './reader.ts';
import type { Setting } from './setting.ts';

export type Format = 'json' | 'csv' | 'parquet';

const media = {
  json: 'application/json',
  csv: 'text/csv; charset=utf-8; header=present',
  parquet: 'application/vnd.apache.parquet',
} as const;

/** The parameter decides, then the header Accept, then JSON. */
export function formatOf(c: Context, given: Format | undefined): Format {
  if (given !== undefined) return given;
  const supports = ['application/json', 'text/csv', media.parquet];
  switch (accepts(c, { header: 'Accept', supports, default: 'application/json' })) {
    case 'text/csv':
      return 'csv';
    case media.parquet:
      return 'parquet';
    default:
      return 'json';
  }
}

export type Export<P extends Types, C extends Types> = {
  readonly name: string;
  readonly format: 'csv' | 'parquet';
  readonly view: View<P, C>;
  readonly args: Arguments<P>;
  readonly selection: Selection<C> & { readonly columns: readonly (keyof C & string)[] };
  /** The data is complete through this instant; null when nothing has been received. */
  readonly completeThrough: string | null;
};

/** The page of a list is JSON's; a stream that began in the middle would look like a whole file. */
export function refuseCursor(cursor: string | undefined): void {
  if (cursor !== undefined)
    throw refuse('cursor', 'belongs to JSON pages; csv and parquet carry all rows, leave it out');
}

/** A list as a file, passed on as it comes. What fails before the first byte is a problem, what fails later breaks it. */
export async function exported<P extends Types, C extends Types>(
  c: Context<Asked>,
  setting: Setting,
  what: Export<P, C>,
): Promise<Response> {
  const csv = what.format === 'csv';
  const source = await setting.db.stream(what.view, what.args, csv ? 'CSV' : 'Parquet', what.selection);
  const failed = (error: unknown): void => {
    setting.log.error(
      { event: 'export_broken', request_id: c.get('requestId'), reason: messageOf(error) },
      'an export broke off; its client has seen a broken body',
    );
  };
  // The header is ours, so that `bucket` has the name that it has in JSON.
  const header = csv ? `${what.selection.columns.map((name) => `"${wireName(name)}"`).join(',')}\n` : '';
  const body = await passOn(source, new TextEncoder().encode(header), csv ? neutraliser() : wholeParquet(), failed);
  const stop = (): void => void source.destroy();
  if (c.req.raw.method === 'HEAD') stop();
  c.req.raw.signal.addEventListener('abort', stop, { once: true });
  return c.body(body, 200, {
    'Content-Type': media[what.format],
    'Content-Disposition': `attachment; filename="${what.name}.${what.format}"`,
    Vary: 'Accept',
    ...(what.completeThrough === null ? {} : { 'X-Complete-Through': what.completeThrough }),
  });
}

/** The name of a column in answers. */
export function wireName(column: string): string {
  return column === 'bucket' ? 'time' : column;
}

/** Waits for the first bytes, then gives a body that pulls at its reader's pace and lets go of the source with it. */
async function passOn(
  source: Readable,
  header: Uint8Array,
  filter: Filter,
  failed: (error: unknown) => void,
): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let next: IteratorResult<Buffer> | null;
  try {
    next = await chunks.next();
  } catch (error) {
    throw new DatabaseFailure(classify(error), error);
  }
  let lead: Uint8Array = header;
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const chunk = next ?? (await chunks.next());
          next = null;
          const rows = chunk.done === true ? new Uint8Array(0) : filter.push(chunk.value);
          if (lead.length + rows.length > 0) controller.enqueue(new Uint8Array([...lead, ...rows]));
          lead = new Uint8Array(0);
          if (chunk.done !== true) return;
          filter.end();
          controller.close();
        } catch (error) {
          source.destroy();
          failed(error);
          controller.error(error);
        }
      },
      cancel() {
        source.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}
