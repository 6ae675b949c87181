import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import type { Panel } from '@grafana/grafana-foundation-sdk/dashboard';
import { rendered } from '#clickhouse/view.ts';
import { spend } from '#clickhouse/money.ts';
import { errors, usage } from '#clickhouse/views.ts';
import { headed, joined, numbers, quotient, rows, stacked, target } from './panels.ts';
import { asked, byTime } from './question.ts';

/** The window in a few numbers, and how much of it they know. */
export function totals(): Builder<Panel>[] {
  const small = { width: 4, height: 4 };
  const used = rendered(usage, asked([], 'whole'), { columns: ['calls', 'total_tokens'] });
  const cost = rendered(spend, asked([], 'whole'), { columns: ['list_cost'] });
  const failed = rendered(errors, asked([], 'whole'), { columns: ['error_rate', 'throttled_rate'] });
  const shares = [
    target('A', 'table', rendered(usage, asked([], 'whole'), { columns: [...known, 'bucket'] })),
    target('B', 'table', rendered(spend, asked([], 'whole'), { columns: ['bucket', 'priced_tokens'] })),
  ];
  return [
    numbers(
      {
        title: 'Calls',
        description: 'Calls that began in the window.',
        unit: 'short',
        ...small,
        targets: [target('A', 'table', used)],
      },
      '/^calls$/',
    ),
    numbers(
      {
        title: 'Tokens',
        description: 'Tokens of all kinds, each counted once.',
        unit: 'short',
        ...small,
        targets: [target('A', 'table', used)],
      },
      '/^total_tokens$/',
    ),
    numbers(
      {
        title: 'List cost',
        description: 'At list price, exact in the database. Tokens without a price are not in it: see Coverage.',
        unit: 'currencyUSD',
        ...small,
        targets: [target('A', 'table', cost)],
      },
      '/^list_cost$/',
    ),
    numbers(
      {
        title: 'Error and 429 share',
        description: 'The share of calls with a status from 400 on, and of those with 429.',
        unit: 'percentunit',
        width: 5,
        height: 4,
        targets: [target('A', 'table', failed)],
      },
      '/_rate$/',
    ),
    numbers(
      {
        title: 'Coverage',
        description:
          'priced: the share of tokens that have a price; exact: of calls with the provider’s own count; attributed: of calls with a tenant.',
        unit: 'percentunit',
        width: 7,
        height: 4,
        targets: shares,
      },
      '/^(priced|exact|attributed)$/',
    ).transformations([joined('bucket'), ...coverage]),
  ];
}

/** What the shares of `coverage` are made of, from `usage`; `priced_tokens` comes from `spend`. */
const known = ['calls', 'total_tokens', 'usage_calls', 'exact_usage_calls', 'attributed_calls'] as const;

const coverage = [
  quotient('priced', 'priced_tokens', 'total_tokens'),
  quotient('exact', 'exact_usage_calls', 'usage_calls'),
  quotient('attributed', 'attributed_calls', 'calls'),
];

function byTenant(column: 'calls' | 'total_tokens'): string {
  return rendered(usage, asked(['tenant_id'], 'chosen'), {
    columns: ['bucket', 'tenant_id', column],
    orderBy: [byTime],
  });
}

/** Calls and tokens over time. */
export function usagePanels(): Builder<Panel>[] {
  const kinds = rendered(usage, asked([], 'chosen'), {
    columns: [
      ...(['bucket', 'input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'] as const),
      ...(['audio_input_tokens', 'output_tokens', 'reasoning_output_tokens', 'audio_output_tokens'] as const),
    ],
    orderBy: [byTime],
  });
  const third = { unit: 'short', width: 8, height: 9 };
  return [
    stacked(
      {
        title: 'Calls by tenant',
        description: 'Calls by the time they began.',
        ...third,
        targets: [target('A', 'time_series', byTenant('calls'))],
      },
      '${__field.labels.tenant_id}',
    ),
    stacked(
      {
        title: 'Tokens by tenant',
        description: 'Tokens of all kinds.',
        ...third,
        targets: [target('A', 'time_series', byTenant('total_tokens'))],
      },
      '${__field.labels.tenant_id}',
    ),
    stacked({
      title: 'Tokens by kind',
      description:
        'The kinds are disjoint and add up: input is without what was read from or written to a cache, output without reasoning.',
      ...third,
      targets: [target('A', 'time_series', kinds)],
    }),
  ];
}

/** List cost per day, and per tenant with what it does not cover. */
export function spendPanels(): Builder<Panel>[] {
  const daily = rendered(spend, asked(['tenant_id'], 'day'), {
    columns: ['bucket', 'tenant_id', 'list_cost'],
    orderBy: [byTime],
  });
  const costs = rendered(spend, asked(['tenant_id'], 'whole'), {
    columns: ['tenant_id', 'list_cost', 'pricing_currency', 'priced_tokens', 'unpriced_models'],
    orderBy: [{ column: 'list_cost', descending: true }],
  });
  const used = rendered(usage, asked(['tenant_id'], 'whole'), { columns: ['tenant_id', ...known] });
  const share = [{ id: 'unit', value: 'percentunit' }];
  return [
    stacked(
      {
        title: 'List cost by tenant and day',
        description: 'Days begin at midnight of the chosen time zone; the first and the last may be cut by the window.',
        unit: 'currencyUSD',
        width: 10,
        height: 10,
        targets: [target('A', 'time_series', daily)],
      },
      '${__field.labels.tenant_id}',
    ),
    rows({
      title: 'List cost and coverage by tenant',
      description:
        'Of the whole window. A cost is only as complete as its coverage: priced is of tokens, exact and attributed are of calls.',
      unit: 'short',
      width: 14,
      height: 10,
      targets: [target('A', 'table', costs), target('B', 'table', used)],
    })
      .transformations([
        joined('tenant_id'),
        ...coverage,
        headed(
          {
            tenant_id: 'Tenant',
            list_cost: 'List cost',
            pricing_currency: 'Currency',
            calls: 'Calls',
            total_tokens: 'Tokens',
            priced: 'Priced',
            exact: 'Exact',
            attributed: 'Attributed',
            unpriced_models: 'Models without a price',
          },
          ['priced_tokens', 'usage_calls', 'exact_usage_calls', 'attributed_calls'],
        ),
      ])
      .overrideByName('List cost', [{ id: 'unit', value: 'currencyUSD' }])
      .overrideByName('Priced', share)
      .overrideByName('Exact', share)
      .overrideByName('Attributed', share),
  ];
}
