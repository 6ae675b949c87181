import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { App } from '../route.ts';

const page = readFileSync(new URL('landing.html', import.meta.url), 'utf8');

/** Only the page's own style and script run, by their hashes, and they may talk to this process alone. */
const policy = [
  "default-src 'none'",
  `style-src ${hashes(/<style>([\s\S]*?)<\/style>/g)}`,
  `script-src ${hashes(/<script>([\s\S]*?)<\/script>/g)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashes(element: RegExp): string {
  return [...page.matchAll(element)]
    .map((found) => `'sha256-${createHash('sha256').update(String(found[1])).digest('base64')}'`)
    .join(' ');
}

/** What this is, with a key what each tenant spends, and the questions one can ask. */
export function landingRoute(app: App): void {
  app.get('/', (c) =>
    c.body(page, 200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy }),
  );
}
