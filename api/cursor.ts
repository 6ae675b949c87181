import { z } from '@hono/zod-openapi';

/**
 * Where the next page begins. It carries the window, because a default window moves with the clock and the pages of one
 * answer must not; and a fingerprint of the question, because an offset into another answer would skip rows in silence.
 */
const instant = z.number().int().min(0).max(Date.UTC(2106, 0));
const position = z.strictObject({
  question: z.string(),
  from: instant,
  to: instant,
  offset: z.number().int().min(0).optional(),
  started_at: z.iso.datetime().optional(),
  call_id: z.string().optional(),
});

export type Position = z.infer<typeof position>;

/** Opaque to clients, yet no secret: it names nothing that the client has not seen. */
export function encodeCursor(at: Position): string {
  const bytes = new TextEncoder().encode(JSON.stringify(at));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '');
}

/** The position, or null for a text that no answer of ours contained. */
export function decodeCursor(text: string): Position | null {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const read = position.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    return read.success ? read.data : null;
  } catch {
    return null;
  }
}

/** A 64-bit FNV-1a fingerprint of a text: it tells questions apart, it protects nothing. */
export function fingerprint(text: string): string {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  return hash.toString(36);
}
