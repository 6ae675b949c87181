/**
 * What a backend's address says about the provider, by the names of OpenTelemetry `gen_ai.provider.name`. The first
 * pattern that matches the host counts; an unknown host says nothing.
 */
const providers: readonly (readonly [pattern: RegExp, provider: string])[] = [
  [/\.openai\.azure\.(com|us|cn)$/, 'azure.ai.openai'],
  [/\.cognitiveservices\.azure\.(com|us|cn)$/, 'azure.ai.openai'],
  [/\.services\.ai\.azure\.com$|\.models\.ai\.azure\.com$|\.inference\.ai\.azure\.com$/, 'azure.ai.inference'],
  [/^api\.openai\.com$/, 'openai'],
  [/^api\.anthropic\.com$/, 'anthropic'],
  [/^bedrock(-runtime)?\.[a-z0-9-]+\.amazonaws\.com$/, 'aws.bedrock'],
  [/^generativelanguage\.googleapis\.com$/, 'gcp.gemini'],
  [/aiplatform\.googleapis\.com$/, 'gcp.vertex_ai'],
  [/\.azuredatabricks\.net$|\.cloud\.databricks\.com$/, 'databricks'],
  [/^api\.mistral\.ai$/, 'mistral_ai'],
  [/^api\.cohere\.(ai|com)$/, 'cohere'],
  [/^api\.deepseek\.com$/, 'deepseek'],
  [/^api\.x\.ai$/, 'x_ai'],
];

/** The end of a path names the operation, by the names of OpenTelemetry `gen_ai.operation.name`. */
const operations: readonly (readonly [pattern: RegExp, operation: string])[] = [
  [/\/chat\/completions$|\/responses$|\/messages$/, 'chat'],
  [/\/completions$/, 'text_completion'],
  [/\/embeddings$/, 'embeddings'],
  [/:(stream)?generatecontent$/, 'generate_content'],
];

/** What a URL tells: never its query string nor a user before its host, which may carry keys. */
export type Address = {
  readonly host: string;
  readonly provider_name: string;
  readonly operation_name: string;
  readonly deployment: string;
};

const nowhere: Address = { host: '', provider_name: '', operation_name: '', deployment: '' };

export function address(url: string): Address {
  const match = /^https?:\/\/(?:[^/?#]*@)?(\[[\da-f:.]+\]|[^/?#:]{1,255})(?::\d+)?((?:\/[^?#]*)?)(?:[?#]|$)/i.exec(url);
  if (match === null) return nowhere;
  const host = String(match[1]).toLowerCase();
  const path = String(match[2]).replace(/\/+$/, '');
  const lower = path.toLowerCase();
  const deployment = /\/deployments\/([^/]{1,255})(?:\/|$)/i.exec(path)?.[1] ?? '';
  return {
    host,
    provider_name: providers.find(([pattern]) => pattern.test(host))?.[1] ?? '',
    operation_name: operations.find(([pattern]) => pattern.test(lower))?.[1] ?? '',
    deployment,
  };
}
