import type { App } from '../../api/route.ts';

/** Columns of a classic export of an Enterprise Agreement, as Microsoft documents them; those that nobody reads are left out. */
export const header =
  'SubscriptionName,Date,Product,MeterId,MeterCategory,MeterSubCategory,MeterName,Quantity,EffectivePrice,Cost,BillingCurrency,ResourceId,Tags,UnitOfMeasure,PublisherName,PublisherType,ChargeType';

type Line = {
  meter: string;
  unit: string;
  quantity: string;
  cost: string;
  deployment?: string;
  date?: string;
  category?: string;
  publisher?: string;
};

/** A row of an Enterprise Agreement's export: american dates, and tags without their braces. */
export function row({
  meter,
  unit,
  quantity,
  cost,
  deployment,
  date = '10/05/2026',
  category = 'Foundry Models',
  publisher = 'Microsoft',
}: Line): string {
  const tags = deployment === undefined ? '' : `"""deployment"": ""${deployment}"",""env"": ""prod"""`;
  return `prod,${date},"${category}, ${meter}",id-${meter},${category},,${meter},${quantity},0,${cost},USD,/subscriptions/s/accounts/acct,${tags},${unit},${publisher},Azure,Usage`;
}

export const inp = 'alpha 9 Inp glbl Tokens';
/** October 2026, with one trap in each deployment. */
export const actual = [
  header,
  // Input per thousand and output per million in one deployment, tagged in small letters; a refund; a tiny number.
  row({ meter: inp, unit: '1K', quantity: '2500', cost: '6.25', deployment: 'chat-prod' }),
  row({ meter: inp, unit: '1K', quantity: '-500', cost: '-1.25', deployment: 'chat-prod', date: '10/31/2026' }),
  row({
    meter: 'alpha 9 opt Gl 1M Tokens',
    unit: '1M',
    quantity: '0.4999999',
    cost: '4.999999',
    deployment: 'chat-prod',
  }),
  row({ meter: 'alpha 9 opt Gl 1M Tokens', unit: '1M', quantity: '1E-07', cost: '1E-06', deployment: 'chat-prod' }),
  row({ meter: inp, unit: '1K', quantity: '1000000', cost: '2.5', deployment: 'wrong-unit' }),
  row({ meter: inp, unit: '1K', quantity: '1000', cost: '2.5', deployment: 'cached-inside' }),
  row({ meter: inp, unit: '1K', quantity: '600', cost: '1.5', deployment: 'cached-twice' }),
  row({
    meter: 'alpha 9 cached Inp glbl Tokens',
    unit: '1K',
    quantity: '400',
    cost: '0.1',
    deployment: 'cached-twice',
  }),
  // The router's fee is counted in the input that the routed models are billed for as well.
  row({ meter: 'Model Router Inp glbl Tokens', unit: '1M', quantity: '3', cost: '0.42', deployment: 'router' }),
  row({ meter: inp, unit: '1K', quantity: '2000', cost: '5', deployment: 'router' }),
  row({ meter: 'beta 9 Inp glbl Tokens', unit: '1M', quantity: '1', cost: '2.5', deployment: 'router' }),
  row({
    meter: 'Claude Consumption Unit',
    unit: '1',
    quantity: '31001',
    cost: '310.01',
    category: 'SaaS',
    publisher: 'Anthropic',
  }),
  row({ meter: inp, unit: '1K', quantity: '11', cost: '0.0275', deployment: 'unseen' }),
  row({ meter: inp, unit: '1X', quantity: '1', cost: '1', deployment: 'odd' }),
  row({ meter: inp, unit: '1K', quantity: '9', cost: '0.0225' }),
  row({ meter: 'Provisioned Managed Global Unit', unit: '1 Hour', quantity: '744', cost: '744' }),
  row({ meter: 'alpha 9 Outp glbl Tokens', unit: '1K', quantity: '500', cost: '5', deployment: 'grok' }),
  row({ meter: inp, unit: '1K', quantity: '1000', cost: '2', deployment: 'discount' }),
  row({ meter: 'gamma 9 Inp glbl Tokens', unit: '1K', quantity: '1000', cost: '2', deployment: 'unpriced' }),
  row({ meter: inp, unit: '1K', quantity: '1100', cost: '2.75', deployment: 'off' }),
  row({ meter: 'D2 v5', unit: '1 Hour', quantity: '24', cost: '2.4', category: 'Virtual Machines' }),
  row({ meter: inp, unit: '1K', quantity: '5', cost: '0.0125', deployment: 'router', date: '09/30/2026' }),
].join('\r\n');

/** One row of January 2020, for tests that only need an invoice to be there. */
export const smallInvoice = [
  header,
  row({ meter: inp, unit: '1K', quantity: '1', cost: '1', deployment: 'd', date: '01/02/2020' }),
].join('\n');

/** Sends an export as a key; the answer's status and JSON. */
export async function sendInvoice(
  app: App,
  key: string,
  month: string,
  csv: string,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'text/csv' };
  const path = `/v1/chargeback/${month}/reconciliation?reason=invoice`;
  const answer = await app.request(path, { method: 'POST', headers, body: csv });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}
