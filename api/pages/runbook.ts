import { readFileSync } from 'node:fs';
import type { App } from '../route.ts';
import { serveText } from './page.ts';

const runbook = readFileSync(new URL('../../docs/runbook.md', import.meta.url), 'utf8');

const style = `
  :root { color-scheme: light dark; }
  body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1.25rem; }
  h2 { margin-top: 3rem; }
  h2:target { outline: 2px solid; outline-offset: 0.4rem; }
  code { font: 0.9em ui-monospace, Menlo, Consolas, monospace; }
`;

/** The runbook as it is in docs/, so that an alert's link works wherever the API does. */
export function runbookPage(app: App): void {
  serveText(
    app,
    '/runbook',
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Gatemeter runbook</title><style>${style}</style></head><body>${rendered(runbook)}</body></html>`,
  );
}

/** Of Markdown, what the runbook uses: headings, paragraphs, lists, code, bold. */
function rendered(markdown: string): string {
  return markdown
    .split(/\n{2,}/)
    .map((block) => {
      const heading = /^(#{1,3}) (.+)$/.exec(block.trim());
      if (heading !== null) {
        const level = heading[1]?.length ?? 1;
        const text = heading[2] ?? '';
        return `<h${level} id="${escaped(text.toLowerCase().replaceAll(' ', '-'))}">${inline(text)}</h${level}>`;
      }
      const lines = block.trim().split('\n');
      if (lines.every((line) => /^(\d+\.|-) /.test(line))) {
        const tag = lines[0]?.startsWith('-') === true ? 'ul' : 'ol';
        const items = lines.map((line) => `<li>${inline(line.replace(/^(\d+\.|-) /, ''))}</li>`);
        return `<${tag}>${items.join('')}</${tag}>`;
      }
      return `<p>${inline(lines.join(' '))}</p>`;
    })
    .join('\n');
}

function inline(text: string): string {
  return escaped(text)
    .replaceAll(/`([^`]+)`/g, '<code>$1</code>')
    .replaceAll(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
