import { MetricsClient, type MetricsClientOptions } from '@azure/monitor-query-metrics';
import type { Credential } from './credential.ts';

/** One value of a metric, one minute of it, with the dimensions it was asked for. */
export type MetricRecord = {
  readonly metricName: string;
  readonly resourceId: string;
  readonly time: string;
  readonly timeGrain: 'PT1M';
  readonly dimensions: Readonly<Record<string, string>>;
} & Readonly<Record<'total' | 'count' | 'minimum' | 'maximum' | 'average', number | undefined>>;

/** A metric that no diagnostic setting exports, or whose dimensions none does. */
type Polled = { readonly metric: string; readonly dimensions: readonly string[] };

/**
 * By the resource's type, lower case: what is only in the metrics API. Capacity tells a scale-out; token metrics
 * reconcile what the logs counted, with the cache writes of Anthropic models that no log has.
 */
const polled: readonly (readonly [type: string, metrics: readonly Polled[]])[] = [
  [
    'microsoft.machinelearningservices/workspaces/onlineendpoints/deployments',
    [{ metric: 'DeploymentCapacity', dimensions: ['instanceId', 'State'] }],
  ],
  [
    'microsoft.cognitiveservices/accounts',
    [
      'InputTokens',
      'OutputTokens',
      'cacheReadInputTokens',
      'ephemeral5mInputTokens',
      'ephemeral1hInputTokens',
      'ProcessedPromptTokens',
      'GeneratedTokens',
    ].map((metric) => ({ metric, dimensions: ['ModelDeploymentName', 'ModelName'] })),
  ],
  [
    'microsoft.apimanagement/service',
    ['EventHubDroppedEvents', 'EventHubThrottledEvents', 'EventHubRejectedEvents'].map((metric) => ({
      metric,
      dimensions: ['Location'],
    })),
  ],
];

export type MetricsApi = {
  /** The minutes [from, to), both on a minute: an unaligned window counts its edges twice when it is read again. */
  readonly read: (resourceId: string, fromMs: number, toMs: number) => Promise<MetricRecord[]>;
};

/** The type of a resource, such as `microsoft.apimanagement/service`, from its id. */
function resourceType(resourceId: string): string {
  const [, provider = ''] = resourceId.toLowerCase().split('/providers/');
  const [namespace = '', ...parts] = provider.split('/');
  return [namespace, ...parts.filter((_, index) => index % 2 === 0)].join('/');
}

/** Why a resource cannot be polled, or null. */
export function notPolled(resourceId: string): string | null {
  if (!/^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/providers\/.+/i.test(resourceId)) return 'is no resource id';
  const known = polled.map(([type]) => type);
  return known.includes(resourceType(resourceId)) ? null : `is none of ${known.join(', ')}`;
}

/** The only door to @azure/monitor-query-metrics; `endpoint` is regional. The SDK repeats what the service refuses for now. */
export function openMetricsApi(
  endpoint: string,
  credential: Credential,
  options: MetricsClientOptions = {},
): MetricsApi {
  const client = new MetricsClient(endpoint, credential, options);
  return {
    read: async (resourceId, fromMs, toMs) => {
      const type = resourceType(resourceId);
      const records: MetricRecord[] = [];
      for (const { metric, dimensions } of polled.find(([known]) => known === type)?.[1] ?? []) {
        const results = await client.queryResources([resourceId], [metric], type, {
          startTime: new Date(fromMs),
          endTime: new Date(toMs),
          interval: 'PT1M',
          aggregation: 'total,count,minimum,maximum,average',
          filter: dimensions.map((name) => `${name} eq '*'`).join(' and '),
          top: 1_000,
        });
        for (const result of results)
          for (const { timeseries } of result.metrics)
            records.push(...recordsOf({ resourceId, metricName: metric, dimensions }, timeseries, fromMs, toMs));
      }
      return records;
    },
  };
}

type Series = Awaited<ReturnType<MetricsClient['queryResources']>>[number]['metrics'][number]['timeseries'];

/** What was asked for, in the names it was asked by: the SDK answers with names for people, in the service's language. */
type Asked = {
  readonly resourceId: string;
  readonly metricName: string;
  readonly dimensions: readonly string[];
};

function recordsOf(asked: Asked, series: Series, fromMs: number, toMs: number): MetricRecord[] {
  const { resourceId, metricName } = asked;
  return series.flatMap(({ metadatavalues = [], data = [] }) => {
    const dimensions = Object.fromEntries(
      metadatavalues.map(({ name = '', value = '' }) => [dimensionAsked(asked.dimensions, name), value]),
    );
    return data.flatMap(({ timeStamp, total, count, minimum, maximum, average }): MetricRecord[] => {
      const at = timeStamp.getTime();
      // A minute without a value says nothing; the API may answer more minutes than it was asked for.
      if ((total ?? count ?? average ?? maximum) === undefined || at < fromMs || at >= toMs) return [];
      const values = { total, count, minimum, maximum, average };
      return [{ metricName, resourceId, time: timeStamp.toISOString(), timeGrain: 'PT1M', dimensions, ...values }];
    });
  });
}

function letters(text: string): string {
  return text.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
}

/** `Model Deployment Name` and `modeldeploymentname` are the dimension that was asked for as `ModelDeploymentName`. */
function dimensionAsked(dimensions: readonly string[], name: string): string {
  return dimensions.find((asked) => letters(asked) === letters(name)) ?? name;
}
