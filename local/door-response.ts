import type { ServerResponse } from 'node:http';
import { failureText, httpStatus, type Failure } from './door-error.ts';
import type { Encoding } from './door-outgoing.ts';

/** What is known of an answer before its first byte. */
export type Head = {
  readonly format: string;
  readonly contentType: string;
  readonly encoding: Encoding | undefined;
  /** Marks a late failure; random, so that no data holds it. */
  readonly tag: string;
};

/** The headers of every answer, good or bad. */
export function commonHeaders(queryId: string, timezone: string): Record<string, string> {
  return {
    'X-ClickHouse-Query-Id': queryId,
    'X-ClickHouse-Server-Display-Name': 'gatemeter-embedded',
    'X-ClickHouse-Timezone': timezone,
  };
}

/** The headers that an answer has beyond the common ones. */
export function answerHeaders({ format, contentType, encoding, tag }: Head): Record<string, string> {
  return {
    'Content-Type': contentType,
    'X-ClickHouse-Format': format,
    'X-ClickHouse-Exception-Tag': tag,
    ...(encoding === undefined ? {} : { 'Content-Encoding': encoding, Vary: 'Accept-Encoding' }),
  };
}

/** Answers with a failure; only possible before the first byte. */
export function sendFailure(response: ServerResponse, failure: Failure, version: string): void {
  response.writeHead(httpStatus(failure), {
    'Content-Type': 'text/plain; charset=UTF-8',
    'X-ClickHouse-Exception-Code': String(failure.code),
  });
  response.end(failureText(failure, version));
}
