import type { z } from '@hono/zod-openapi';
import {
  agreementBook,
  attributionBook,
  type bookViews,
  budgetBook,
  commitmentBook,
  exchangeRateBook,
  modelAliasBook,
  priceBook,
  tenantBook,
} from '#clickhouse/books.ts';
import {
  agreements,
  attributions,
  type bookTables,
  budgets,
  commitments,
  exchangeRates,
  modelAliases,
  prices,
  tenants,
} from '#clickhouse/money.ts';
import {
  agreementEntry,
  attributionEntry,
  budgetEntry,
  commitmentEntry,
  exchangeRateEntry,
  modelAliasEntry,
  priceEntry,
  tenantEntry,
} from './entry.ts';

export type BookTable = (typeof bookTables)[number];

/** A book: where it is kept, what may be written, and what makes two rows state the same thing. */
export type Book = {
  /** As in the path: /v1/<name>. */
  readonly name: string;
  readonly summary: string;
  readonly table: BookTable;
  readonly view: (typeof bookViews)[number];
  readonly entry: z.ZodType<Readonly<Record<string, unknown>>>;
  /** Beside valid_from. */
  readonly key: readonly string[];
};

const priceKey = ['provider_name', 'model', 'region', 'service_tier', 'token_kind', 'context_over_tokens'];

export const books: readonly Book[] = [
  {
    name: 'tenants',
    summary: 'Who pays, and in which time zone their months are',
    table: tenants,
    view: tenantBook,
    entry: tenantEntry,
    key: ['tenant_id'],
  },
  {
    name: 'attributions',
    summary: 'Rules: which tenant and cost center a call belongs to, by consumer, API and product, in this precedence',
    table: attributions,
    view: attributionBook,
    entry: attributionEntry,
    key: ['consumer_id', 'product_id', 'api_id'],
  },
  {
    name: 'prices',
    summary: 'List prices',
    table: prices,
    view: priceBook,
    entry: priceEntry,
    key: priceKey,
  },
  {
    name: 'model-aliases',
    summary: 'Other names of models: deployments, ARNs, a name of the gateway',
    table: modelAliases,
    view: modelAliasBook,
    entry: modelAliasEntry,
    key: ['provider_name', 'alias'],
  },
  {
    name: 'agreements',
    summary: 'Discounts and agreed unit prices',
    table: agreements,
    view: agreementBook,
    entry: agreementEntry,
    key: ['agreement_id', 'tenant_id', ...priceKey],
  },
  {
    name: 'commitments',
    summary: 'Provisioned throughput and other fixed cost, and how it is allocated',
    table: commitments,
    view: commitmentBook,
    entry: commitmentEntry,
    key: ['commitment_id'],
  },
  {
    name: 'exchange-rates',
    summary: 'Exchange rates; only stated directions are used',
    table: exchangeRates,
    view: exchangeRateBook,
    entry: exchangeRateEntry,
    key: ['from_currency', 'to_currency'],
  },
  {
    name: 'budgets',
    summary: 'What may be spent in a calendar month',
    table: budgets,
    view: budgetBook,
    entry: budgetEntry,
    key: ['budget_id'],
  },
];
