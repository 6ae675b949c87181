import { parse } from 'csv-parse/sync';
import { readFile } from 'node:fs/promises';

/** One request of the trace: when it came, 100 ns ticks after the first, and its tokens. */
export type TracedCall = { readonly ticks: bigint; readonly input_tokens: number; readonly output_tokens: number };

/** The real trace in local/trace, in its order. */
export async function readTrace(): Promise<TracedCall[]> {
  const text = await readFile(new URL('trace/azure-llm-trace-2023-conv.csv', import.meta.url), 'utf8');
  const rows = parse<{ TIMESTAMP: string; ContextTokens: string; GeneratedTokens: string }>(text, { columns: true });
  const instants = rows.map((row) => ticksOf(row.TIMESTAMP));
  const first = instants.reduce((least, ticks) => (ticks < least ? ticks : least), instants[0] ?? 0n);
  return rows.map((row) => ({
    ticks: ticksOf(row.TIMESTAMP) - first,
    input_tokens: Number(row.ContextTokens),
    output_tokens: Number(row.GeneratedTokens),
  }));
}

/** `2023-11-16 18:15:46.6805900` to ticks of 100 ns since 1970; a JavaScript Date would keep three digits of seven. */
function ticksOf(timestamp: string): bigint {
  const [seconds = '', fraction = ''] = timestamp.split('.');
  return BigInt(Date.parse(`${seconds.replace(' ', 'T')}Z`)) * 10_000n + BigInt(fraction.padEnd(7, '0').slice(0, 7));
}

/** Ticks of 100 ns since 1970 as Azure writes an instant. */
export function azureInstant(ticks: bigint): string {
  const seconds = new Date(Number(ticks / 10_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(ticks % 10_000_000n).padStart(7, '0')}Z`;
}
