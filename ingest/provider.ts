import { pathFacts, service } from './provider_path.ts';

/**
 * What a backend's address says about the provider, by the names of OpenTelemetry `gen_ai.provider.name`, or, where it
 * has none, in its manner. The first pattern that matches the host counts; an unknown host says nothing.
 */
const providers: readonly (readonly [pattern: RegExp, provider: string])[] = [
  [/\.openai\.azure\.(com|us|cn)$/, 'azure.ai.openai'],
  [/\.cognitiveservices\.azure\.(com|us|cn)$/, 'azure.ai.openai'],
  [/\.services\.ai\.azure\.com$|\.models\.ai\.azure\.com$|\.inference\.ai\.azure\.com$/, 'azure.ai.inference'],
  [/\.inference\.ml\.azure\.(com|us|cn)$/, 'azure.ml'],
  [/^api\.openai\.com$/, 'openai'],
  [/^api\.anthropic\.com$/, 'anthropic'],
  [/(?:^|\.)bedrock(?:-runtime)?(?:-fips)?\.[a-z0-9-]{1,32}\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$/, 'aws.bedrock'],
  [/^generativelanguage\.googleapis\.com$/, 'gcp.gemini'],
  [/aiplatform\.googleapis\.com$/, 'gcp.vertex_ai'],
  [/\.azuredatabricks\.net$|\.(?:cloud|gcp)\.databricks\.com$|\.databricks\.azure\.(?:us|cn)$/, 'databricks'],
  [/^api\.mistral\.ai$|^codestral\.mistral\.ai$/, 'mistral_ai'],
  [/^api\.cohere\.(ai|com)$/, 'cohere'],
  [/^api\.deepseek\.com$/, 'deepseek'],
  [/^api\.x\.ai$/, 'x_ai'],
  [/^api\.groq\.com$/, 'groq'],
  [/^api\.perplexity\.ai$/, 'perplexity'],
];

/** What a URL tells: never its query string nor a user before its host, which may carry keys. */
export type Address = {
  readonly host: string;
  readonly provider_name: string;
  readonly operation_name: string;
  /** The deployment or endpoint that the address names: Azure OpenAI, Azure ML, Databricks, Vertex AI, a function. */
  readonly deployment: string;
  /** The model that the address names: Gemini, Vertex AI, Bedrock, model servers. */
  readonly request_model: string;
  /** The first word of the path, for a backend of which nothing else is known: a custom model on a cluster. */
  readonly service: string;
};

const nowhere: Address = {
  host: '',
  provider_name: '',
  operation_name: '',
  deployment: '',
  request_model: '',
  service: '',
};

/** Addresses without their query strings: most calls go to a few. Bounded, because they come from outside. */
const known = new Map<string, Address>();
const knownMax = 1_024;
const knownCharactersMax = 512;

/** Reads an absolute http or https URL; anything else says nothing. */
export function address(url: string): Address {
  const end = url.search(/[?#]/);
  const bare = end < 0 ? url : url.slice(0, end);
  const found = known.get(bare);
  if (found !== undefined) return found;
  const read = readAddress(bare);
  if (bare.length <= knownCharactersMax) {
    if (known.size >= knownMax) known.clear();
    known.set(bare, read);
  }
  return read;
}

function readAddress(bare: string): Address {
  const match = /^https?:\/\/(?:[^/]*@)?(\[[\da-f:.]+\]|[^/:]{1,255})(?::\d+)?((?:\/[^]*)?)$/i.exec(bare);
  if (match === null) return nowhere;
  const host = String(match[1]).toLowerCase();
  const path = String(match[2]).replace(/\/+$/, '');
  const provider = providers.find(([pattern]) => pattern.test(host))?.[1] ?? '';
  const facts = pathFacts(host, path);
  const isKnown = provider !== '' || facts.provider_name !== '';
  const says = isKnown || facts.operation_name !== '' || facts.deployment !== '' || facts.request_model !== '';
  return {
    ...facts,
    host,
    provider_name: provider || facts.provider_name,
    service: says ? '' : service(path),
  };
}

/** Vendors that Amazon Bedrock's model ids begin with, after the region group of an inference profile. */
const bedrockModel =
  /^(?:(?:us|eu|apac|jp|au|us-gov|global)\.)?(?:ai21|amazon|anthropic|cohere|deepseek|meta|mistral|openai|qwen|stability|twelvelabs|writer)\.[a-z0-9]/;

/** What the shape of a model's name says about the provider: Bedrock's ids and Databricks' own endpoints; else ''. */
export function providerOfModel(model: string): string {
  if (bedrockModel.test(model)) return 'aws.bedrock';
  return model.startsWith('databricks-') ? 'databricks' : '';
}
