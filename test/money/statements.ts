import { expect } from 'vitest';
import type { App } from '../../api/route.ts';
import { type AnswerRow, ask, type CallRecord } from '../api/ledger.ts';

export type Statement = {
  data: AnswerRow[];
  meta: {
    status: string;
    sha256: string | null;
    complete_through: string | null;
    coverage: { priced: number | null; exact_usage: number | null; attributed: number | null };
    totals: AnswerRow[];
    next_open_month?: string;
  };
};

const statementFormats = ['json', 'csv', 'parquet', 'focus-1.2', 'focus-1.3', 'focus-1.4'] as const;

/** What a person of finance does, over the API. */
export type Finance = {
  readonly get: (path: string) => Promise<Response>;
  readonly read: (month: string, more?: string) => Promise<Statement>;
  readonly close: (month: string, body?: unknown) => Promise<{ status: number; body: Record<string, unknown> }>;
  /** Status, the header with the hash, and every byte, in each format. */
  readonly photograph: (month: string) => Promise<unknown[]>;
};

export function finance(app: App, key: string): Finance {
  const headers = { authorization: `Bearer ${key}` };
  const get = async (path: string): Promise<Response> => app.request(path, { headers });
  return {
    get,
    read: async (month, more = '') => ask<Statement>(app, key, `/v1/chargeback/${month}${more}`),
    close: async (month, body) => {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const response = await app.request(`/v1/chargeback/${month}/close`, { method: 'POST', headers, ...sent });
      return { status: response.status, body: (await response.json()) as Record<string, unknown> };
    },
    photograph: async (month) =>
      Promise.all(
        statementFormats.map(async (format) => {
          const response = await get(`/v1/chargeback/${month}?format=${format}`);
          expect(response.status).toBe(200);
          return [format, response.headers.get('x-statement-sha256'), await response.bytes()];
        }),
      ),
  };
}

/** A call of 1,000 input tokens of the consumer `shop`, but for what is given. */
export function call(started_at: number, more: Partial<CallRecord> = {}): CallRecord {
  called += 1;
  return {
    call_id: `gw/${called}`,
    started_at,
    consumer_id: 'shop',
    provider_name: 'test.provider',
    response_model: 'm',
    http_response_status_code: 200,
    usage_input_tokens: 1_000,
    ...more,
  };
}

let called = 0;

export function sum(all: readonly number[]): number {
  return all.reduce((a, b) => a + b, 0);
}

/** What tests compare of a line. */
export function line(row: AnswerRow): unknown[] {
  return ['tenant_id', 'cost_center', 'model', 'token_kind', 'charge_kind', 'consumed_quantity', 'list_cost'].map(
    (name) => row[name],
  );
}
