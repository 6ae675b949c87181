import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';

export type Received = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
};

/** A real HTTP server in the place of a receiver: it keeps what came, and answers what it is told to. */
export type ReceiverServer = {
  readonly url: string;
  readonly port: number;
  readonly received: Received[];
  /** For the next requests; 200 at first. */
  answer: (request: Received) => { status: number; headers?: Record<string, string> };
  readonly close: () => Promise<void>;
};

export async function startReceiver(): Promise<ReceiverServer> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      const one = { method: request.method ?? '', path: request.url ?? '', headers: request.headers, body };
      received.push(one);
      const { status, headers } = own.answer(one);
      response.writeHead(status, headers);
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const own: ReceiverServer = {
    url: `http://127.0.0.1:${port}`,
    port,
    received,
    answer: () => ({ status: 200 }),
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
  return own;
}
