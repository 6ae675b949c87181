import { readFileSync } from 'node:fs';
import type { App } from '../route.ts';

const folder = new URL('.', import.meta.resolve('swagger-ui-dist/package.json'));

const files = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

const page = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Gatemeter API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/open.js"></script>
</body>
</html>
`;

const open = `SwaggerUIBundle({
  url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null, tryItOutEnabled: true,
});
`;

/** Swagger UI styles its own elements and draws images from data: URLs; everything comes from this process. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The OpenAPI document and a reader for it. */
export function docsRoutes(app: App, version: string): void {
  app.doc31('/openapi.json', {
    openapi: '3.1.0',
    info: {
      title: 'Gatemeter',
      version,
      description:
        'The meter at the gate of AI and ML traffic: usage, cost, latency and errors of every call, from the logs that gateways emit. Money and 64-bit counts are strings, so that no digit is lost. Times are UTC.',
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'Questions', description: 'With a key. Authorize takes it once for all of them.' },
      { name: 'Books', description: 'Dated reference data: read, and appended to.' },
      { name: 'Operation', description: 'Without a key: for orchestrators and Prometheus.' },
    ],
  });
  app.openAPIRegistry.registerComponent('securitySchemes', 'key', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, as `node api/main.ts key` printed it',
  });
  app.get('/docs', (c) =>
    c.body(page, 200, { 'Content-Type': 'text/html; charset=utf-8', 'Content-Security-Policy': policy }),
  );
  app.get('/docs/open.js', (c) => c.body(open, 200, { 'Content-Type': 'text/javascript; charset=utf-8' }));
  for (const [name, type] of Object.entries(files)) {
    const bytes = readFileSync(new URL(name, folder));
    app.get(`/docs/${name}`, (c) => c.body(bytes, 200, { 'Content-Type': type }));
  }
}
