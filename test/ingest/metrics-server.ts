import { openMetricsApi, type MetricsApi } from '../../ingest/metrics_api.ts';
import { credential, startHttps, type HttpsAnswer } from './https.ts';

const minuteMs = 60_000;

/** A request for metrics of one resource, as it came. */
type AskedMetrics = {
  readonly resource: string;
  readonly metric: string;
  readonly from: number;
  readonly to: number;
  readonly interval: string;
  readonly filter: string;
};

/**
 * A local server that speaks the batch API of Azure Monitor metrics as far as the poller uses it, and the real SDK's
 * client on it. It names metrics and dimensions for people too, as the service does, and answers a minute more than it
 * was asked for at either end.
 */
export type MetricsServer = {
  readonly api: MetricsApi;
  readonly asked: AskedMetrics[];
  /** The status to answer a request with instead of values; undefined for values. */
  refuse: (asked: AskedMetrics) => number | undefined;
  /** The value of a minute; undefined for a minute without one. */
  value: (asked: AskedMetrics, minute: number) => number | undefined;
  readonly close: () => Promise<void>;
};

export async function startMetrics(): Promise<MetricsServer> {
  const state: Pick<MetricsServer, 'asked' | 'refuse' | 'value'> = {
    asked: [],
    refuse: () => undefined,
    value: (_, minute) => minute / minuteMs,
  };
  const service = await startHttps((path, body) => answered(state, new URL(path, 'https://metrics'), body));
  const api = openMetricsApi(service.url, credential, {
    tlsOptions: { ca: service.certificate },
    retryOptions: { retryDelayInMs: 1, maxRetryDelayInMs: 2 },
  });
  return Object.assign(state, { api, close: service.close });
}

function answered(state: Pick<MetricsServer, 'asked' | 'refuse' | 'value'>, url: URL, body: string): HttpsAnswer {
  const { resourceids = [] } = JSON.parse(body) as { resourceids?: string[] };
  const query = (name: string): string => url.searchParams.get(name) ?? '';
  const asked: AskedMetrics = {
    resource: resourceids.join(','),
    metric: query('metricnames'),
    from: Date.parse(query('starttime')),
    to: Date.parse(query('endtime')),
    interval: query('interval'),
    filter: query('filter'),
  };
  state.asked.push(asked);
  const refused = /^\/subscriptions\/[^/]+\/metrics:getBatch$/.test(url.pathname) ? state.refuse(asked) : 404;
  if (refused !== undefined) {
    const headers: Record<string, string> = refused === 429 ? { 'retry-after': '0' } : {};
    return { status: refused, headers, body: { error: { code: 'Refused', message: 'as the test wants' } } };
  }
  const data: unknown[] = [];
  for (let minute = asked.from - minuteMs; minute <= asked.to; minute += minuteMs) {
    const total = state.value(asked, minute);
    const timeStamp = new Date(minute).toISOString();
    data.push(total === undefined ? { timeStamp } : { timeStamp, total, count: 1, average: total });
  }
  const metadatavalues = [...asked.filter.matchAll(/(\w+) eq '\*'/g)].map(([, name = ''], index) => ({
    name: { value: name.toLowerCase(), localizedValue: name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ') },
    value: `value-${index}`,
  }));
  const name = { value: asked.metric, localizedValue: `${asked.metric} (for people)` };
  const value = [{ id: asked.metric, type: 'x', name, unit: 'Count', timeseries: [{ metadatavalues, data }] }];
  const [starttime, endtime] = [asked.from, asked.to].map((at) => new Date(at).toISOString());
  const [resourceid] = resourceids;
  return { status: 200, body: { values: [{ starttime, endtime, interval: 'PT1M', resourceid, value }] } };
}
