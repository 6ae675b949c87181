import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { App } from '../route.ts';

/** A page of this folder at a path. */
export function servePage(app: App, path: string, file: `${string}.html`): void {
  serveText(app, path, readFileSync(new URL(file, import.meta.url), 'utf8'));
}

/** Only the page's own style and script run, by their hashes, and they may talk to this process alone. */
export function serveText(app: App, path: string, page: string): void {
  const policy = [
    "default-src 'none'",
    `style-src ${hashes(page, /<style>([\s\S]*?)<\/style>/g)}`,
    `script-src ${hashes(page, /<script>([\s\S]*?)<\/script>/g)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  app.get(path, (c) =>
    c.body(page, 200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy }),
  );
}

function hashes(page: string, element: RegExp): string {
  const found = [...page.matchAll(element)].map(
    (one) => `'sha256-${createHash('sha256').update(String(one[1])).digest('base64')}'`,
  );
  return found.length === 0 ? "'none'" : found.join(' ');
}
