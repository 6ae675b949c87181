import { z } from '@hono/zod-openapi';
import { zoneName } from './calendar.ts';
import { dimensions } from '#clickhouse/question.ts';

/*
 * What may be written into each book. Amounts are text, so that no digit passes through a float; '' and a field that is
 * left out are the same. Messages name the remedy, because they are read by whoever keeps the books.
 */

/** A decimal as text with at most so many digits after the point. */
function decimal(scale: number, more: (value: string) => boolean = () => true, remedy = ''): z.ZodType<string> {
  const error = `must be a decimal as text, such as "0.25", with at most ${scale} digits after the point${remedy}`;
  return z
    .string({ error })
    .regex(new RegExp(`^\\d{1,18}(\\.\\d{1,${scale}})?$`), error)
    .refine(more, error)
    .openapi({ type: 'string', format: 'decimal', example: '0.25' });
}

const positive = (value: string): boolean => /[1-9]/.test(value);

function whole(minimum: bigint, error: string) {
  return z
    .union([z.string().regex(/^\d{1,18}$/, error), z.number({ error }).int(error).min(0, error)], { error })
    .transform(String)
    .refine((value) => BigInt(value) >= minimum, error)
    .openapi({ type: 'string', format: 'uint64', example: '1000000' });
}

const name = (what: string) =>
  z
    .string({ error: `is missing; write ${what}` })
    .min(1, `is empty; write ${what}`)
    .max(256);
const optionalName = z.string().max(256).default('');
const currency = z
  .string({ error: 'is missing; write an ISO 4217 code such as USD' })
  .regex(/^[A-Z]{3}$/, 'must be an ISO 4217 code such as USD');
/** As databases spell it: they find `europe/berlin` nowhere, and then no statement can be computed. */
const zone = z.string().transform((text, context) => {
  const name = text === '' ? '' : zoneName(text);
  if (name === null) context.addIssue('is not an IANA time zone; write one such as Europe/Berlin');
  return name ?? '';
});
const instant = z.iso
  .datetime({ offset: true, error: 'must be an instant with a zone, such as 2026-10-01T00:00:00Z' })
  .transform((text) => new Date(text).toISOString());

const dated = {
  valid_from: instant.describe('Applies from this instant on'),
  valid_to: z
    .union([z.literal('').transform(() => null), z.null(), instant])
    .default(null)
    .describe('Applies before this instant; null without end; equal to valid_from withdraws the row'),
};

const tiers = ['standard', 'batch', 'priority', 'flex', 'provisioned'] as const;
const tokenKinds = [
  'input',
  'cache_read',
  'cache_write',
  'cache_write_1h',
  'input_audio',
  'output',
  'reasoning',
  'output_audio',
] as const;

const tier = z.enum(tiers, { error: `must be one of ${tiers.join(', ')}` });
const kind = z.enum(tokenKinds, { error: `must be one of ${tokenKinds.join(', ')}` });
const region = z
  .string()
  .regex(/^[a-z0-9-]*$/, 'must be in small letters without spaces, such as westeurope; empty is any region')
  .default('');
const unit = {
  pricing_quantity: whole(1n, 'is missing: say for how many units the price is, such as 1000000').describe(
    'The price is for this many units',
  ),
  pricing_unit: z.literal('Tokens', {
    error: 'must be Tokens: a price without a unit, or of another one, cannot be applied',
  }),
  pricing_currency: currency,
};

export const tenantEntry = z.strictObject({
  tenant_id: name('the id of the tenant').refine(
    (id) => id !== 'unattributed' && id !== '*',
    'is reserved; choose another',
  ),
  name: optionalName,
  time_zone: zone.default('UTC').transform((text) => text || 'UTC'),
  ...dated,
});

export const attributionEntry = z
  .strictObject({
    consumer_id: optionalName.describe('As the gateway knows it; empty is any'),
    product_id: optionalName.describe('empty is any'),
    api_id: optionalName.describe('empty is any'),
    tenant_id: name('who pays').refine((id) => id !== '*', 'must be one tenant'),
    cost_center: optionalName,
    owner: optionalName,
    ...dated,
  })
  .refine((rule) => `${rule.consumer_id}${rule.product_id}${rule.api_id}` !== '', {
    path: ['consumer_id'],
    error: 'is empty, and so are product_id and api_id: the rule would take every call; name at least one',
  });

export const priceEntry = z
  .strictObject({
    price_list: name('the name of the list that states the price'),
    provider_name: name('the provider as calls name it, such as azure.ai.openai'),
    model: name('the model, or a pattern with *'),
    region,
    service_tier: tier.default('standard'),
    token_kind: kind,
    context_over_tokens: whole(0n, 'must be a whole number of tokens').default('0'),
    list_unit_price: decimal(18),
    ...unit,
    ...dated,
  })
  .refine((price) => exactPerToken(price.list_unit_price, price.pricing_quantity), {
    path: ['pricing_quantity'],
    error:
      'does not divide the price into an exact price per token; state the price for a quantity such as 1000 or 1000000',
  });

function exactPerToken(price: string, quantity: string): boolean {
  const [whole = '0', fraction = ''] = price.split('.');
  return BigInt(whole + fraction.padEnd(24, '0')) % BigInt(quantity) === 0n;
}

export const modelAliasEntry = z.strictObject({
  provider_name: optionalName.describe('empty is any'),
  alias: name('the name that calls have; * stands for any characters').refine(
    (alias) => /[^*]/.test(alias),
    'matches every model',
  ),
  model: name('the model as the price list names it'),
  ...dated,
});

export const agreementEntry = z
  .strictObject({
    agreement_id: name('the contract or order form'),
    tenant_id: optionalName.describe('empty: for all'),
    provider_name: optionalName.describe('empty: all'),
    model: optionalName.describe('exact, a pattern with *, or empty: all'),
    region,
    service_tier: z.union([z.literal(''), tier]).default(''),
    token_kind: z.union([z.literal(''), kind]).default(''),
    context_over_tokens: whole(0n, 'must be a whole number of tokens').default('0'),
    discount_percent: z
      .union([z.literal('').transform(() => null), z.null(), decimal(4, (p) => Number(p) <= 100, ', and at most 100')])
      .default(null),
    contracted_unit_price: z.union([z.literal('').transform(() => null), z.null(), decimal(18)]).default(null),
    pricing_quantity: z.union([z.literal('').transform(() => '1'), unit.pricing_quantity]).default('1'),
    pricing_unit: z.union([z.literal(''), unit.pricing_unit]).default(''),
    pricing_currency: z.union([z.literal(''), currency]).default(''),
    ...dated,
  })
  .superRefine((terms, context) => {
    const fault = (field: string, message: string): void => {
      context.addIssue({ code: 'custom', path: [field], message });
    };
    if ((terms.discount_percent === null) === (terms.contracted_unit_price === null)) {
      fault('discount_percent', 'state either this or contracted_unit_price');
    }
    if (terms.discount_percent !== null && terms.context_over_tokens !== '0') {
      fault('context_over_tokens', 'a discount is for every context size; leave it out');
    }
    if (terms.contracted_unit_price === null) return;
    for (const field of [
      'provider_name',
      'model',
      'token_kind',
      'service_tier',
      'pricing_unit',
      'pricing_currency',
    ] as const) {
      if (terms[field] === '')
        fault(field, 'is missing: an agreed price is of one provider, model, tier and kind, with its unit');
    }
    if (terms.model.includes('*'))
      fault('model', 'is a pattern: an agreed price is of one model; a discount may have one');
    if (!exactPerToken(terms.contracted_unit_price, terms.pricing_quantity)) {
      fault('pricing_quantity', 'does not divide the price into an exact price per token');
    }
  });

const fraction = decimal(9, (share) => Number(share) <= 1, ', and at most 1');

export const commitmentEntry = z
  .strictObject({
    commitment_id: name('the order or reservation'),
    name: optionalName,
    provider_name: optionalName.describe('empty is any'),
    deployments: z.array(z.string().min(1)).min(1, 'is empty; name the deployments that it pays for'),
    quantity: decimal(4).default('0'),
    unit: optionalName,
    amount: decimal(6),
    amount_per: z.enum(['month', 'hour'], { error: 'must be month or hour' }),
    billing_currency: currency,
    allocation_method: z.enum(['weighted_tokens', 'peak', 'fixed_shares'], {
      error: 'must be weighted_tokens, peak or fixed_shares',
    }),
    weights: z
      .record(kind, decimal(6))
      .or(z.partialRecord(kind, decimal(6)))
      .default({})
      .describe('Of a token by its kind; 1 where none is stated'),
    capacity_tokens_per_minute: z
      .union([z.literal('').transform(() => null), z.null(), whole(1n, 'must be a whole number')])
      .default(null),
    shares: z
      .record(z.string(), fraction)
      .default({})
      .describe('By tenant, for fixed_shares; what is left of 1 is idle'),
    ...dated,
  })
  .superRefine(({ shares, allocation_method }, context) => {
    const units = Object.values(shares).map((share) =>
      BigInt(share.replace(/^(\d+)\.?(\d*)$/, (_, a: string, b: string) => a + b.padEnd(9, '0'))),
    );
    if (units.reduce((sum, share) => sum + share, 0n) > 1_000_000_000n) {
      context.addIssue({ code: 'custom', path: ['shares'], message: 'add up to more than 1; what they leave is idle' });
    }
    if ((allocation_method === 'fixed_shares') !== units.length > 0) {
      context.addIssue({
        code: 'custom',
        path: ['shares'],
        message: 'belong to the method fixed_shares, which needs them',
      });
    }
  });

export const exchangeRateEntry = z
  .strictObject({
    from_currency: currency,
    to_currency: currency,
    exchange_rate: decimal(12, positive, ', and above 0').describe('to_currency for one unit of from_currency'),
    ...dated,
  })
  .refine((rate) => rate.from_currency !== rate.to_currency, { path: ['to_currency'], error: 'is the same currency' });

const percents = z.array(decimal(4, positive, ', and above 0')).default([]);

export const budgetEntry = z.strictObject({
  budget_id: name('an id for the budget'),
  name: optionalName,
  filters: z
    .partialRecord(z.enum(Object.keys(dimensions) as [keyof typeof dimensions]), z.array(z.string()).min(1))
    .default({})
    .describe('Which calls count: dimensions of a question, each with the values allowed; none means all calls'),
  cost: z.enum(['list_cost', 'contracted_cost', 'effective_cost']).default('contracted_cost'),
  amount: decimal(6, positive, ', and above 0').describe('For one calendar month'),
  billing_currency: currency,
  time_zone: zone.default('').describe('Of the months; empty: that of the tenant in filters, else UTC'),
  actual_percents: percents.describe('Thresholds on what was spent, percent of the amount'),
  forecast_percents: percents.describe('Thresholds on what the month is expected to come to'),
  ...dated,
});
