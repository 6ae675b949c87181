import { noUsage, type Fields } from '../event.ts';
import { members, shortText, within } from '../nested.ts';
import { address } from '../provider.ts';
import { providerName } from '../provider_alias.ts';
import type { Reader } from '../reader.ts';
import { moderationOf } from './kong_moderation.ts';
import { kongUsage } from './kong_usage.ts';

/** What the rest of the record says, as far as the AI block is read by it. */
export type Around = {
  readonly streamed: boolean | null;
  readonly refused: boolean;
  readonly upstream_path: string;
  /** `hit` or `miss` by the header that Kong's caches add. */
  readonly cache_status: string;
};

/** Where AI Proxy writes what a call used, the newest first. */
const proxies = ['proxy', 'ai-proxy-advanced', 'ai-proxy'] as const;

/** `llm/v1/chat` and the like, in OpenTelemetry's words. */
const operations: ReadonlyMap<string, string> = new Map([
  ['llm/v1/chat', 'chat'],
  ['llm/v1/responses', 'chat'],
  ['llm/v1/completions', 'text_completion'],
  ['llm/v1/embeddings', 'embeddings'],
]);

/**
 * Kong's AI block, as fields; null where it tells of no model's call. It moved: `ai.usage` and `ai.meta` (3.6, and the
 * how-to guides of 3.12), `ai.<plugin>` (3.7, 3.8), `ai.proxy` (since 3.9); of these the newest alone counts, so that a
 * record with two of them counts once. Plugins that ask a model of their own (AI Request Transformer, AI Response
 * Transformer, RAG Injector's embeddings) write beside it: theirs is another model at another price and is not added.
 * Such a call is `partial`, because more was used than it says; where nothing else asked a model, theirs is the call.
 * Sources: Kong/kong kong/llm (3.6 to 3.9), Kong/developer.konghq.com app/ai-gateway/ai-audit-log-reference.md.
 */
export function modelCallOf(ai: Reader, around: Around): Partial<Fields> | null {
  const own = proxies.find((name) => isBlock(ai, name));
  const flat = ai.has('usage') || ai.has('meta');
  const others = ai
    .names()
    .filter((name) => !proxies.some((proxy) => proxy === name.toLowerCase()) && isBlock(ai, name))
    .sort();
  if (own !== undefined) return within(ai, own, (block) => callOf(ai, block, own === 'proxy', others, around));
  if (flat) return callOf(ai, ai, true, others, around);
  const [first, ...rest] = others;
  if (first === undefined) return null;
  const call = within(ai, first, (block) => callOf(ai, block, false, rest, around));
  // The path is that of the service behind, which is no model; the transformers' own calls are chats.
  return { ...call, operation_name: 'chat' };
}

/** Whether a plugin wrote about a call to a model under this name. */
function isBlock(ai: Reader, name: string): boolean {
  const value = ai.peek(name);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  if (/^(?:usage|meta|cache|payload|audit|sanitizer|compressor|mcp|a2a)$/i.test(name)) return false;
  return Object.keys(value).some((inside) => /^(?:usage|meta|cache|tried_targets)$/i.test(inside)) || hasGuard(value);
}

/** A call that a guardrail stopped has no usage, yet it is a model's call. */
function hasGuard(block: object): boolean {
  return Object.values(block).some(
    (inside) =>
      typeof inside === 'object' && inside !== null && Object.keys(inside).some((name) => /_block_reason$/i.test(name)),
  );
}

function callOf(ai: Reader, block: Reader, isNewest: boolean, others: readonly string[], around: Around) {
  const meta = within(block, 'meta', metaOf);
  const targets = members(block, 'tried_targets').map(targetOf);
  const target = targets.at(-1);
  const provider = meta.provider || target?.provider || '';
  const cache_status = within(block, 'cache', cacheOf) || around.cache_status;
  const backend = target?.host || meta.azure_instance;
  const there = address(`https://${backend || 'unknown.invalid'}${around.upstream_path}`);
  const operation_name = operations.get(target?.route ?? '') ?? there.operation_name;
  const request_stream = meta.stream ?? around.streamed;
  const usage = kongUsage(block, {
    provider,
    models: `${meta.request_model} ${meta.response_model}`,
    streamed: request_stream,
    embeddings: operation_name === 'embeddings',
    cached: cache_status === 'hit',
    zeroIsUnset: isNewest,
  });
  const more = others.some((name) => usesTokens(ai, name)) || usesTokens(block, 'rag-inject');
  return {
    ...(around.refused && usage.usage_output_tokens === null
      ? { ...noUsage, usage_quality: 'missing' as const }
      : usage),
    ...(more && usage.usage_quality === 'exact' ? { usage_quality: 'partial' as const } : {}),
    ...moderationOf(ai, block, around.refused),
    provider_name: providerName(provider) || there.provider_name,
    request_model: meta.request_model || (target?.model ?? ''),
    response_model: meta.response_model,
    deployment: meta.azure_deployment || there.deployment,
    backend,
    operation_name,
    routing_label: target === undefined ? '' : [target.provider, target.model].filter(Boolean).join('/'),
    request_stream,
    cache_status,
    attempts: targets.length > 0 ? targets.length : null,
    time_to_first_token_ms: within(block, 'usage', (inside) => inside.milliseconds('time_to_first_token')) || null,
  } satisfies Partial<Fields>;
}

/** 3.9 and later write UNSPECIFIED where no model was in use. */
function named(reader: Reader, name: string): string {
  const text = reader.text(name);
  return text.toUpperCase() === 'UNSPECIFIED' ? '' : text;
}

function metaOf(meta: Reader) {
  const mode = meta.text('request_mode').toLowerCase();
  const request_model = named(meta, 'request_model');
  return {
    provider: named(meta, 'provider_name').toLowerCase(),
    request_model,
    response_model: named(meta, 'response_model'),
    azure_instance: meta.text('azure_instance_id'),
    azure_deployment: meta.text('azure_deployment_id'),
    stream: mode === 'stream' ? true : mode === 'oneshot' ? false : null,
  };
}

function targetOf(target: Reader) {
  return {
    provider: shortText(target, 'provider').toLowerCase(),
    model: shortText(target, 'model'),
    host: shortText(target, 'host').toLowerCase(),
    route: shortText(target, 'route_type').toLowerCase(),
  };
}

/** `Hit`, `Miss`, `Bypass` or `Refresh`; a refreshed answer came from the model. */
export function cacheStatus(text: string): '' | 'hit' | 'miss' {
  const status = text.toLowerCase();
  return status === 'hit' ? 'hit' : status === 'miss' || status === 'refresh' ? 'miss' : '';
}

function cacheOf(cache: Reader): string {
  return cacheStatus(cache.text('cache_status'));
}

/** Whether a block beside the call's own counts tokens: `usage.total_tokens` and the like, or `embeddings_tokens`. */
function usesTokens(parent: Reader, name: string): boolean {
  const value = parent.peek(name);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const usage = Object.entries(value).find(([inside]) => inside.toLowerCase() === 'usage')?.[1];
  return [value, usage].some(
    (counts) =>
      typeof counts === 'object' &&
      counts !== null &&
      Object.entries(counts).some(([count, number]) => /_tokens?$/i.test(count) && Number(number) > 0),
  );
}
