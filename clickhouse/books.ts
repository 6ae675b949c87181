import {
  agreements,
  attributions,
  budgets,
  commitments,
  exchangeRates,
  modelAliases,
  prices,
  tenants,
} from './money.ts';
import { type Types, type View, view } from './view.ts';

const asked = { as_known_at: "DateTime64(3, 'UTC')", history: 'UInt8' } as const satisfies Types;
const learned = { known_from: "DateTime64(3, 'UTC')" } as const satisfies Types;

/** What every book is asked with. */
export type BookQuestion = typeof asked;

type BookView<C extends Types> = View<typeof asked, C & typeof learned>;

/** What a book says, as known at an instant; with `history` every row that was ever written to it. */
function bookView<const C extends Types>(name: string, columns: C): BookView<C> {
  return view(name, asked, { ...columns, ...learned });
}

export const tenantBook = bookView('tenant_book', tenants.columns);
export const attributionBook = bookView('attribution_book', attributions.columns);
export const priceBook = bookView('price_book', prices.columns);
export const modelAliasBook = bookView('model_alias_book', modelAliases.columns);
export const agreementBook = bookView('agreement_book', agreements.columns);
export const commitmentBook = bookView('commitment_book', commitments.columns);
export const exchangeRateBook = bookView('exchange_rate_book', exchangeRates.columns);
export const budgetBook = bookView('budget_book', budgets.columns);

/** The state of each book; `contract.ts` compares them with the database. */
export const bookViews = [
  tenantBook,
  attributionBook,
  priceBook,
  modelAliasBook,
  agreementBook,
  commitmentBook,
  exchangeRateBook,
  budgetBook,
] as const;
