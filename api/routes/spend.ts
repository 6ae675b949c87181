import { spend } from '#clickhouse/money.ts';
import { groupedRoute } from '../question.ts';
import type { App } from '../route.ts';
import type { Setting } from '../setting.ts';

/** What it costs. */
export function spendRoute(app: App, setting: Setting): void {
  groupedRoute(app, setting, {
    path: '/v1/spend',
    summary: 'Cost at list, contracted and effective prices',
    description: [
      'Exact decimal amounts at the prices of the time of each call. list_cost is at list prices; contracted_cost after agreements; effective_cost is the contracted cost of what is billed by the token, without calls that a commitment pays for: their tokens are in committed_tokens and their share in /v1/commitments/allocated.',
      'Tokens without a price are in unpriced_tokens, with unpriced_models and unpriced_reasons; an amount is null where nothing of a row has it, never 0.',
      'price_match says by which name of the call a price was found (response_model, request_model, deployment) and how: exact, undated (without its date suffix), alias, pattern.',
      'Groups beside the dimensions: cost_center, token_kind, price_model. Amounts of two currencies are never added: ask for one with currency, or narrow the question.',
    ].join('\n\n'),
    roles: ['viewer', 'finance', 'on_call', 'admin'],
    view: spend,
    groups: ['cost_center', 'token_kind', 'price_model'],
    keys: [],
    inner: ['list_token_price', 'contracted_token_price'],
  });
}
