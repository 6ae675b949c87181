/*
 * The columns of the Cost and Usage dataset that are exported, by version of FOCUS: https://focus.finops.org/focus-specification/
 * (v1.2 of May 2025, v1.3 of December 2025, v1.4 of June 2026; text at https://github.com/FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec).
 * Type, nullability and allowed values are the specification's. Conditional columns whose condition never holds here
 * (availability zones, capacity reservations, commitment discounts, contract commitments, prices in another currency)
 * are left out, as it says. README lists where rows deviate.
 */

export type FocusVersion = '1.2' | '1.3' | '1.4';

type FocusType = 'String' | 'Decimal' | 'Date/Time' | 'JSON';

type FocusColumn = {
  readonly type: FocusType;
  readonly nulls: boolean;
  readonly values?: readonly string[];
};

const text: FocusColumn = { type: 'String', nulls: false };
const maybeText: FocusColumn = { type: 'String', nulls: true };
const decimal: FocusColumn = { type: 'Decimal', nulls: false };
const maybeDecimal: FocusColumn = { type: 'Decimal', nulls: true };
const instant: FocusColumn = { type: 'Date/Time', nulls: false };
const json: FocusColumn = { type: 'JSON', nulls: true };

/** In all three versions. */
const always = {
  BilledCost: decimal,
  BillingAccountId: text,
  BillingAccountName: maybeText,
  BillingCurrency: text,
  BillingPeriodEnd: instant,
  BillingPeriodStart: instant,
  ChargeCategory: { ...text, values: ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'] },
  ChargeClass: { ...maybeText, values: ['Correction'] },
  ChargeDescription: maybeText,
  ChargeFrequency: { ...text, values: ['One-Time', 'Recurring', 'Usage-Based'] },
  ChargePeriodEnd: instant,
  ChargePeriodStart: instant,
  ConsumedQuantity: maybeDecimal,
  ConsumedUnit: maybeText,
  ContractedCost: decimal,
  ContractedUnitPrice: maybeDecimal,
  EffectiveCost: decimal,
  InvoiceId: maybeText,
  InvoiceIssuerName: text,
  ListCost: decimal,
  ListUnitPrice: maybeDecimal,
  PricingCategory: { ...maybeText, values: ['Standard', 'Dynamic', 'Committed', 'Other'] },
  PricingQuantity: maybeDecimal,
  PricingUnit: maybeText,
  RegionId: maybeText,
  RegionName: maybeText,
  ResourceId: maybeText,
  ResourceName: maybeText,
  ResourceType: maybeText,
  ServiceCategory: { ...text, values: ['AI and Machine Learning'] },
  ServiceName: text,
  ServiceSubcategory: { ...text, values: ['Generative AI'] },
  SkuId: maybeText,
  SkuMeter: maybeText,
  SkuPriceDetails: json,
  SkuPriceId: maybeText,
  SubAccountId: maybeText,
  SubAccountName: maybeText,
  Tags: json,
} as const satisfies Record<string, FocusColumn>;

/** Deprecated by 1.3, which still has them, and removed by 1.4. */
const sellers = { ProviderName: text, PublisherName: text } as const satisfies Record<string, FocusColumn>;

/** Since 1.3. */
const sinceSplitCost = {
  AllocatedMethodDetails: json,
  AllocatedMethodId: maybeText,
  AllocatedResourceId: maybeText,
  AllocatedResourceName: maybeText,
  AllocatedTags: json,
  HostProviderName: text,
  ServiceProviderName: text,
} as const satisfies Record<string, FocusColumn>;

/** Since 1.4. */
const sinceInvoices = { InvoiceDetailId: maybeText } as const satisfies Record<string, FocusColumn>;

/** Ours: they begin with x_ and come after the others. */
const custom = {
  x_ChargeKind: text,
  x_ConsumerId: maybeText,
  x_ListCostWithoutCommitment: maybeDecimal,
  x_Model: maybeText,
  x_ResponseModel: maybeText,
  x_ServiceTier: maybeText,
  x_StatementLine: maybeDecimal,
  x_TokenKind: maybeText,
  x_UnpricedReason: maybeText,
  x_UnpricedTokens: maybeDecimal,
} as const satisfies Record<string, FocusColumn>;

/** What 1.3 has columns for. */
const customSplitCost = {
  x_AllocatedMethodDetails: json,
  x_AllocatedMethodId: maybeText,
  x_AllocatedResourceId: maybeText,
  x_AllocatedResourceName: maybeText,
} as const satisfies Record<string, FocusColumn>;

const declared: Readonly<Record<FocusVersion, Readonly<Record<string, FocusColumn>>>> = {
  '1.2': { ...always, ...sellers, ...custom, ...customSplitCost },
  '1.3': { ...always, ...sellers, ...sinceSplitCost, ...custom },
  '1.4': { ...always, ...sinceSplitCost, ...sinceInvoices, ...custom },
};

/** A row by the names of all columns of all versions. */
export type FocusRow = Readonly<
  Record<
    | keyof typeof always
    | keyof typeof sellers
    | keyof typeof sinceSplitCost
    | keyof typeof sinceInvoices
    | keyof typeof custom
    | keyof typeof customSplitCost,
    string | null
  >
>;

/** The columns of a version in the order of a file: those of FOCUS by name, then ours by name. */
export function focusColumns(version: FocusVersion): readonly (readonly [name: keyof FocusRow, column: FocusColumn])[] {
  const columns = Object.entries(declared[version]) as [keyof FocusRow, FocusColumn][];
  return columns.sort(([a], [b]) => (isCustom(a) === isCustom(b) ? (a < b ? -1 : 1) : isCustom(a) ? 1 : -1));
}

function isCustom(name: string): boolean {
  return name.startsWith('x_');
}
