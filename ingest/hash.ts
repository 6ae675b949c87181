import { hash } from 'node:crypto';

/** The first 8 bytes of SHA-256 as a decimal UInt64: tells whether something met again is the same. */
export function hash64(content: string | Uint8Array): string {
  return hash('sha256', content, 'buffer').readBigUInt64LE(0).toString();
}
