import { azureInstant, type TracedCall } from './trace.ts';

/** Who calls in the local stack: a dozen API Management subscriptions of five tenants. */
export const consumers: readonly {
  readonly consumer_id: string;
  readonly tenant_id: string;
  readonly product_id: string;
  readonly weight: number;
}[] = [
  { consumer_id: 'retail-web', tenant_id: 'retail', product_id: 'ai-retail', weight: 24 },
  { consumer_id: 'retail-mobile', tenant_id: 'retail', product_id: 'ai-retail', weight: 16 },
  { consumer_id: 'retail-search', tenant_id: 'retail', product_id: 'ai-retail', weight: 8 },
  { consumer_id: 'support-chat', tenant_id: 'support', product_id: 'ai-support', weight: 14 },
  { consumer_id: 'support-email', tenant_id: 'support', product_id: 'ai-support', weight: 6 },
  { consumer_id: 'research-notebooks', tenant_id: 'research', product_id: 'ai-research', weight: 9 },
  { consumer_id: 'research-batch', tenant_id: 'research', product_id: 'ai-research', weight: 5 },
  { consumer_id: 'legal-review', tenant_id: 'legal', product_id: 'ai-legal', weight: 6 },
  { consumer_id: 'legal-intake', tenant_id: 'legal', product_id: 'ai-legal', weight: 3 },
  { consumer_id: 'platform-agents', tenant_id: 'platform', product_id: 'ai-platform', weight: 5 },
  { consumer_id: 'platform-ci', tenant_id: 'platform', product_id: 'ai-platform', weight: 3 },
  { consumer_id: 'platform-docs', tenant_id: 'platform', product_id: 'ai-platform', weight: 1 },
];

/** One message to send, and the partition that Azure Monitor would have happened to choose. */
export type TrafficMessage = { readonly partition: number; readonly body: string | Uint8Array };

export type TrafficOptions = {
  readonly seed: number;
  /** When the last request of the trace came, milliseconds since 1970. */
  readonly endsAtMs: number;
  readonly partitionCount: number;
};

const gateway = 'apim-contoso';
const resourceId = `/SUBSCRIPTIONS/12CABCB4-86E8-404F-A3D2-1DC9982F45CA/RESOURCEGROUPS/RG-AI/PROVIDERS/MICROSOFT.APIMANAGEMENT/SERVICE/${gateway.toUpperCase()}`;
const deployment = 'gpt-4o';
const model = 'gpt-4o-2024-11-20';

/** A small seeded generator (mulberry32): the same seed gives the same traffic on every machine. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The trace as API Management would log it: per request one GatewayLogs and one GatewayLlmLogs record, in different
 * messages on different partitions, batched and out of order; one call in ten is mentioned again by a policy event, and
 * a few messages are broken. Instants and tokens are the trace's, moved to end at `endsAtMs`; latencies are modelled
 * from the tokens. The same options give the same messages.
 */
export function trafficMessages(trace: readonly TracedCall[], options: TrafficOptions): TrafficMessage[] {
  const next = random(options.seed);
  const last = trace.reduce((most, call) => (call.ticks > most ? call.ticks : most), 0n);
  const shift = BigInt(options.endsAtMs) * 10_000n - last;
  const placed: { at: number; text: string; group: 'gateway' | 'llm' | 'policy' }[] = [];
  for (const [index, traced] of trace.entries()) {
    const call = describe(traced, azureInstant(traced.ticks + shift), next);
    placed.push({ at: index + next() * 400, group: 'gateway', text: JSON.stringify(gatewayRecord(call)) });
    placed.push({ at: index + next() * 1_500, group: 'llm', text: JSON.stringify(llmRecord(call)) });
    if (next() < 0.1)
      placed.push({ at: index + next() * 800, group: 'policy', text: JSON.stringify(policyEvent(call)) });
  }
  placed.sort((a, b) => a.at - b.at);
  return [...batched(placed, options.partitionCount, next), ...broken(options.partitionCount, next)];
}

/** A call as API Management would log it; `time` is when it started, as Azure writes it. */
export type LoggedCall = {
  readonly correlationId: string;
  readonly time: string;
  readonly consumer: { readonly consumer_id: string; readonly product_id: string };
  readonly deployment: string;
  readonly model: string;
  readonly status: number;
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly streamed: boolean;
  readonly backend_ms: number;
  readonly duration_ms: number;
  readonly responseId: string;
};

function describe(traced: TracedCall, time: string, next: () => number): LoggedCall {
  const hex = (length: number): string => Array.from({ length }, () => Math.floor(next() * 16).toString(16)).join('');
  // First token after a fixed part and 0.2 ms per input token; then 22 ms a token; each with its own spread.
  const spread = (): number => 0.7 + 0.6 * next() + (next() < 0.02 ? 2 * next() : 0);
  const firstTokenMs = (140 + 0.2 * traced.input_tokens) * spread();
  const backend_ms = Math.round(firstTokenMs + 22 * traced.output_tokens * spread());
  return {
    correlationId: `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`,
    time,
    consumer: chosen(next()),
    deployment,
    model,
    status: 200,
    input_tokens: traced.input_tokens,
    output_tokens: traced.output_tokens,
    streamed: next() < 0.7,
    backend_ms,
    duration_ms: backend_ms + 2 + Math.round(12 * next()),
    responseId: `chatcmpl-${hex(24)}`,
  };
}

function chosen(at: number): (typeof consumers)[number] {
  const total = consumers.reduce((sum, consumer) => sum + consumer.weight, 0);
  let left = at * total;
  for (const consumer of consumers) {
    left -= consumer.weight;
    if (left < 0) return consumer;
  }
  return consumers[0] as (typeof consumers)[number];
}

export function gatewayRecord(call: LoggedCall): Record<string, unknown> {
  return {
    DeploymentVersion: '0.46.0.0',
    Level: 4,
    Sku: 'StandardV2',
    callerIpAddress: '203.0.113.10',
    category: 'GatewayLogs',
    correlationId: call.correlationId,
    durationMs: call.duration_ms,
    isRequestSuccess: call.status < 400,
    location: 'West Europe',
    operationName: 'Microsoft.ApiManagement/GatewayLogs',
    properties: {
      apiId: 'azure-openai-api',
      apiRevision: '1',
      apimSubscriptionId: call.consumer.consumer_id,
      backendMethod: 'POST',
      backendProtocol: 'HTTP/1.1',
      backendResponseCode: call.status,
      backendTime: call.backend_ms,
      backendUrl: `https://contoso-weu.openai.azure.com/openai/deployments/${call.deployment}/chat/completions?api-version=2024-10-21`,
      cache: 'none',
      clientProtocol: 'HTTP/1.1',
      clientTlsVersion: '1.3',
      method: 'POST',
      operationId: 'ChatCompletions_Create',
      productId: call.consumer.product_id,
      requestSize: 400 + 4 * call.input_tokens,
      responseCode: call.status,
      responseSize: 600 + 5 * call.output_tokens,
      url: `https://${gateway}.azure-api.net/openai/deployments/${call.deployment}/chat/completions?api-version=2024-10-21`,
    },
    resourceId,
    resultType: call.status < 400 ? 'Succeeded' : 'Failed',
    time: call.time,
    truncated: 0,
  };
}

export function llmRecord(call: LoggedCall): Record<string, unknown> {
  return {
    DeploymentVersion: '0.46.0.0',
    Level: 4,
    Sku: 'StandardV2',
    category: 'GatewayLlmLogs',
    correlationId: call.correlationId,
    location: 'West Europe',
    operationName: 'Microsoft.ApiManagement/GatewayLlmLogs',
    properties: {
      correlationId: call.correlationId,
      sequenceNumber: 0,
      apiVersion: '2024-10-21',
      deploymentName: call.deployment,
      modelName: call.model,
      requestId: call.responseId,
      isStreamCompletion: call.streamed,
      promptTokens: call.input_tokens,
      completionTokens: call.output_tokens,
      totalTokens: call.input_tokens + call.output_tokens,
      promptCachedTokens: 0,
    },
    resourceId,
    time: call.time,
  };
}

/** As docs/apim/gatemeter-call.fragment.xml writes it, which sees the beginning of a streamed answer and not its end. */
function policyEvent(call: LoggedCall): Record<string, unknown> {
  return {
    schema: 'gatemeter.call.v1',
    time: call.time,
    requestId: call.correlationId,
    gateway,
    region: 'West Europe',
    apiId: 'azure-openai-api',
    operationId: 'ChatCompletions_Create',
    subscriptionId: call.consumer.consumer_id,
    productId: call.consumer.product_id,
    status: 200,
    stream: call.streamed,
    ...(call.streamed
      ? {}
      : {
          elapsedMs: call.duration_ms,
          responseId: call.responseId,
          responseModel: call.model,
          usage: {
            prompt_tokens: call.input_tokens,
            completion_tokens: call.output_tokens,
            total_tokens: call.input_tokens + call.output_tokens,
            prompt_tokens_details: { cached_tokens: 0 },
          },
        }),
  };
}

/** Records of a category travel together, up to 40 in a message; gateway and LLM logs never on the same partition. */
export function batched(
  placed: readonly { text: string; group: 'gateway' | 'llm' | 'policy' }[],
  partitionCount: number,
  next: () => number,
): TrafficMessage[] {
  const messages: TrafficMessage[] = [];
  const open = { gateway: [] as string[], llm: [] as string[] };
  const limits = { gateway: 1, llm: 1 };
  const flush = (group: 'gateway' | 'llm'): void => {
    if (open[group].length === 0) return;
    const half = Math.max(1, Math.floor(partitionCount / 2));
    const offset = group === 'llm' && partitionCount > 1 ? 1 : 0;
    messages.push({
      partition: (2 * Math.floor(next() * half) + offset) % partitionCount,
      body: `{"records":[${open[group].join(',')}]}`,
    });
    open[group] = [];
    limits[group] = 1 + Math.floor(next() * 40);
  };
  for (const { text, group } of placed) {
    if (group === 'policy') {
      messages.push({ partition: Math.floor(next() * partitionCount), body: text });
      continue;
    }
    open[group].push(text);
    if (open[group].length >= limits[group]) flush(group);
  }
  flush('gateway');
  flush('llm');
  return messages;
}

/** What happens on real hubs: cut JSON, text, bytes that are no text, an unknown category, a negative count, nothing. */
function broken(partitionCount: number, next: () => number): TrafficMessage[] {
  const bodies: (string | Uint8Array)[] = [
    '{"records":[{"category":"GatewayLogs","correlationId":"cut',
    'plain text from a misdirected logger',
    Uint8Array.from([0xff, 0xfe, 0x00, 0xc3, 0x28]),
    JSON.stringify({
      records: [{ category: 'DeveloperPortalAuditLogs', time: '2026-01-01T00:00:00Z', properties: {} }],
    }),
    JSON.stringify({
      records: [
        {
          category: 'GatewayLlmLogs',
          correlationId: 'x',
          resourceId,
          time: '2026-01-01T00:00:00Z',
          properties: { promptTokens: -5, deploymentName: deployment },
        },
      ],
    }),
    '',
  ];
  return bodies.map((body) => ({ partition: Math.floor(next() * partitionCount), body }));
}
