import type { FocusRow } from './focus_columns.ts';
import type { Charge } from './statement.ts';

/* A charge as a row of FOCUS, by the names of all its versions. */

/** What rows have of the statement that they are in. */
export type FocusContext = {
  /** Half-open, ISO 8601 in UTC: the calendar month that is billed. */
  readonly period: { readonly start: string; readonly end: string };
  readonly issuer: string;
  readonly isCorrection: boolean;
  /** Null while the month is open. */
  readonly invoiceId: string | null;
  /** Of the statement; null for what is too small to have one. */
  readonly line: number | null;
  /** For rows without an amount, which have none of their own. */
  readonly currency: string;
};

type Cells = Partial<Record<keyof FocusRow, string | null>>;

/** One charge. Its amounts are exact: what its line was rounded by is a row of its own. */
export function focusRow(charge: Charge, context: FocusContext): FocusRow {
  const common = { ...ofStatement(context), ...ofPayer(charge), ...ofService(charge), ...ofCharge(charge) };
  if (charge.effective_cost === null) return { ...empty, ...common, ...unpriced(charge) };
  if (charge.charge_kind === 'commitment' || charge.charge_kind === 'idle_commitment') {
    return { ...empty, ...common, ...share(charge, charge.effective_cost, context.isCorrection) };
  }
  return { ...empty, ...common, ...tokens(charge, charge.effective_cost) };
}

/** By how much a line was rounded: with it the rows of a line add up to what is paid. `used` is the month of the use. */
export function roundingRow(
  line: Pick<Charge, 'tenant_id' | 'tenant_name' | 'cost_center' | 'charge_kind' | 'billing_currency'>,
  difference: string,
  used: FocusContext['period'],
  context: FocusContext,
): FocusRow {
  return {
    ...empty,
    ...ofStatement(context),
    ...ofPayer(line),
    ...adjustment(difference, `Rounding of a line of the statement to what can be paid in ${line.billing_currency}`),
    BillingCurrency: line.billing_currency,
    ChargePeriodStart: used.start,
    ChargePeriodEnd: used.end,
    x_ChargeKind: 'rounding',
  };
}

const noSku = {
  ConsumedQuantity: null,
  ConsumedUnit: null,
  ContractedUnitPrice: null,
  ListUnitPrice: null,
  PricingCategory: null,
  PricingQuantity: null,
  PricingUnit: null,
  SkuId: null,
  SkuMeter: null,
  SkuPriceDetails: null,
  SkuPriceId: null,
} as const satisfies Cells;

const noAllocation = {
  AllocatedMethodDetails: null,
  AllocatedMethodId: null,
  AllocatedResourceId: null,
  AllocatedResourceName: null,
  AllocatedTags: null,
  x_AllocatedMethodDetails: null,
  x_AllocatedMethodId: null,
  x_AllocatedResourceId: null,
  x_AllocatedResourceName: null,
} as const satisfies Cells;

const empty = {
  ...noSku,
  ...noAllocation,
  BilledCost: '0',
  ContractedCost: '0',
  EffectiveCost: '0',
  ListCost: '0',
  BillingCurrency: null,
  ChargeCategory: null,
  ChargeDescription: null,
  ChargeFrequency: null,
  ChargePeriodEnd: null,
  ChargePeriodStart: null,
  RegionId: null,
  RegionName: null,
  ResourceId: null,
  ResourceName: null,
  ResourceType: null,
  x_ConsumerId: null,
  x_ListCostWithoutCommitment: null,
  x_Model: null,
  x_ResponseModel: null,
  x_ServiceTier: null,
  x_TokenKind: null,
  x_UnpricedReason: null,
  x_UnpricedTokens: null,
} as const satisfies Cells;

function ofStatement({ period, issuer, isCorrection, invoiceId, line, currency }: FocusContext) {
  return {
    BillingAccountId: issuer,
    BillingAccountName: issuer,
    BillingCurrency: currency,
    BillingPeriodStart: period.start,
    BillingPeriodEnd: period.end,
    ChargeClass: isCorrection ? 'Correction' : null,
    InvoiceId: invoiceId,
    InvoiceDetailId: invoiceId === null ? null : `${invoiceId}/${line ?? 0}`,
    InvoiceIssuerName: issuer,
    ...named(issuer),
    x_StatementLine: line === null ? null : String(line),
  };
}

/** Who sells, made and runs it: logs name one of the three. */
function named(seller: string) {
  return {
    ProviderName: seller,
    PublisherName: seller,
    ServiceProviderName: seller,
    HostProviderName: seller,
    ServiceName: seller,
    ServiceCategory: 'AI and Machine Learning',
    ServiceSubcategory: 'Generative AI',
  };
}

function ofPayer({
  tenant_id,
  tenant_name,
  cost_center,
  charge_kind,
}: Pick<Charge, 'tenant_id' | 'tenant_name' | 'cost_center' | 'charge_kind'>) {
  return {
    SubAccountId: orNull(tenant_id),
    SubAccountName: tenant_id === '' ? null : orNull(tenant_name),
    Tags: tagsOf(cost_center),
    x_ChargeKind: charge_kind,
  };
}

function ofService(charge: Charge): Cells {
  return {
    ...(charge.provider_name === '' ? {} : named(charge.provider_name)),
    RegionId: orNull(charge.region),
    RegionName: orNull(charge.region),
  };
}

function ofCharge(charge: Charge): Cells {
  return {
    ...(charge.billing_currency === '' ? {} : { BillingCurrency: charge.billing_currency }),
    ChargePeriodStart: charge.charge_period_start,
    ChargePeriodEnd: charge.charge_period_end,
    x_ConsumerId: orNull(charge.consumer_id),
    x_Model: orNull(charge.model),
    x_ResponseModel: orNull(charge.response_model),
    x_ServiceTier: orNull(charge.service_tier),
    x_TokenKind: orNull(charge.token_kind),
  };
}

function tokens(charge: Charge, effective: string) {
  const committed = charge.charge_kind === 'committed_tokens';
  const tier = committed ? 'provisioned' : charge.service_tier === '' ? 'standard' : charge.service_tier;
  const sku = `${charge.provider_name}/${charge.model}`;
  // Where only an agreed price is known, it is the list price too: FOCUS has no row of usage without one.
  const listPrice = committed ? '0' : (charge.list_token_price ?? charge.contracted_token_price);
  return {
    ...inResource(charge.deployment, charge.deployment, 'Model Deployment'),
    ...costs(effective, committed ? '0' : (charge.contracted_cost ?? effective)),
    ...(committed ? {} : { ListCost: charge.list_cost ?? charge.contracted_cost ?? effective }),
    ChargeCategory: 'Usage',
    ChargeFrequency: 'Usage-Based',
    ChargeDescription: `${charge.consumed_quantity} ${charge.token_kind} tokens of ${charge.model}${committed ? ', paid for by a commitment' : ''}`,
    ConsumedQuantity: charge.consumed_quantity,
    ConsumedUnit: 'Tokens',
    ContractedUnitPrice: committed ? '0' : charge.contracted_token_price,
    ListUnitPrice: listPrice,
    PricingCategory: committed ? 'Other' : 'Standard',
    PricingQuantity: charge.consumed_quantity,
    PricingUnit: 'Tokens',
    SkuId: sku,
    SkuMeter: `${charge.token_kind} tokens`,
    SkuPriceDetails: JSON.stringify({ x_TokenKind: charge.token_kind, x_ServiceTier: tier }),
    SkuPriceId: [sku, charge.token_kind, tier, ...(charge.region === '' ? [] : [charge.region])].join('/'),
    x_ListCostWithoutCommitment: committed ? charge.list_cost : null,
  };
}

/** The capacity is the resource whose cost is split, and the tenant is what a part of it is allocated to. */
function share(charge: Charge, effective: string, isCorrection: boolean) {
  const idle = charge.charge_kind === 'idle_commitment';
  const what = charge.commitment_name === '' ? charge.commitment_id : charge.commitment_name;
  const to = idle ? null : [charge.tenant_id, charge.cost_center].filter((text) => text !== '').join('/');
  const name = idle ? null : charge.tenant_name;
  const method = orNull(charge.allocated_method_id);
  const details = orNull(charge.allocated_method_details);
  return {
    ...inResource(charge.commitment_id, what, 'Provisioned Throughput'),
    ...costs(effective, effective),
    ...(isCorrection ? noSku : priceOfShare(charge)),
    ChargeCategory: 'Usage',
    ChargeFrequency: 'Recurring',
    ChargeDescription: `${idle ? 'Unused part' : 'Share'} of ${what}`,
    AllocatedMethodDetails: details,
    AllocatedMethodId: method,
    AllocatedResourceId: to,
    AllocatedResourceName: name,
    AllocatedTags: idle ? null : tagsOf(charge.cost_center),
    x_AllocatedMethodDetails: details,
    x_AllocatedMethodId: method,
    x_AllocatedResourceId: to,
    x_AllocatedResourceName: name,
  };
}

/** The whole commitment is one unit, and its price is what all of it costs: so the product is the share, exactly. */
function priceOfShare(charge: Charge) {
  return {
    ConsumedQuantity: charge.consumed_quantity,
    ConsumedUnit: charge.consumed_unit,
    ContractedUnitPrice: charge.committed_amount,
    ListUnitPrice: charge.committed_amount,
    PricingCategory: 'Standard',
    PricingQuantity: charge.allocated_ratio,
    PricingUnit: 'Units',
    SkuId: charge.commitment_id,
    SkuMeter: 'Provisioned Throughput',
    SkuPriceId: charge.commitment_id,
  };
}

/** Unpriced is not free, so it is no usage at a price of 0: a row that bills nothing and says why. */
function unpriced(charge: Charge) {
  const what = charge.commitment_id === '' ? `${charge.token_kind} tokens of ${charge.model}` : charge.commitment_id;
  return {
    ...inResource(charge.deployment, charge.deployment, 'Model Deployment'),
    ...adjustment('0', `Not billed, without a price (${charge.unpriced_reason}): ${charge.consumed_quantity} ${what}`),
    x_UnpricedReason: charge.unpriced_reason,
    x_UnpricedTokens: charge.commitment_id === '' ? charge.consumed_quantity : null,
  };
}

function adjustment(amount: string, description: string) {
  return {
    ...costs(amount, amount),
    ChargeCategory: 'Adjustment',
    ChargeFrequency: 'One-Time',
    ChargeDescription: description,
  };
}

function costs(effective: string, contracted: string) {
  return { BilledCost: effective, EffectiveCost: effective, ContractedCost: contracted, ListCost: contracted };
}

function inResource(id: string, name: string, type: string): Cells {
  return id === '' ? {} : { ResourceId: id, ResourceName: name, ResourceType: type };
}

function tagsOf(costCenter: string): string | null {
  return costCenter === '' ? null : JSON.stringify({ cost_center: costCenter });
}

function orNull(text: string): string | null {
  return text === '' ? null : text;
}
