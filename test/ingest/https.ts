import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { generate } from 'selfsigned';

/** What a local service answers with; the body is sent as JSON. */
export type HttpsAnswer = {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
};

/** A service on loopback with a certificate of its own, for clients that insist on TLS. */
export type HttpsService = { readonly url: string; readonly certificate: string; readonly close: () => Promise<void> };

/** Any token will do: a local service does not look at it. */
export const credential = {
  getToken: async () => ({ token: 'local', expiresOnTimestamp: Date.now() + 3_600_000 }),
};

export async function startHttps(answer: (path: string, body: string) => HttpsAnswer): Promise<HttpsService> {
  const attributes = [{ name: 'commonName', value: 'localhost' }];
  const altNames = [{ type: 7 as const, ip: '127.0.0.1' }];
  const extensions = [{ name: 'subjectAltName' as const, altNames }];
  const pems = await generate(attributes, { extensions });
  const server = createServer({ key: pems.private, cert: pems.cert }, (request, response) => {
    const reply = async (): Promise<void> => {
      const { status, headers = {}, body } = answer(request.url ?? '/', await text(request));
      response.writeHead(status, { 'content-type': 'application/json', ...headers });
      response.end(JSON.stringify(body));
    };
    void reply();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    certificate: pems.cert,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
