/** Names that gateways and libraries give to providers, and OpenTelemetry's `gen_ai.provider.name` for them. */
const aliases: ReadonlyMap<string, string> = new Map([
  ['azure', 'azure.ai.openai'],
  ['azure_openai', 'azure.ai.openai'],
  ['azure_text', 'azure.ai.openai'],
  ['az.ai.openai', 'azure.ai.openai'],
  ['azure_ai', 'azure.ai.inference'],
  ['az.ai.inference', 'azure.ai.inference'],
  ['text_completion_openai', 'openai'],
  ['claude', 'anthropic'],
  ['bedrock', 'aws.bedrock'],
  ['bedrock_converse', 'aws.bedrock'],
  ['aws_bedrock', 'aws.bedrock'],
  ['gemini', 'gcp.gemini'],
  ['google', 'gcp.gemini'],
  ['vertex', 'gcp.vertex_ai'],
  ['vertex_ai', 'gcp.vertex_ai'],
  ['vertex_ai_beta', 'gcp.vertex_ai'],
  ['google_vertex', 'gcp.vertex_ai'],
  ['mistral', 'mistral_ai'],
  ['mistralai', 'mistral_ai'],
  ['cohere_chat', 'cohere'],
  ['xai', 'x_ai'],
  // Kong's "no model in use".
  ['unspecified', ''],
]);

/** OpenTelemetry's name of a provider, by whatever name a source has for it; an unknown one stays, in lower case. */
export function providerName(name: string): string {
  const key = name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, '_');
  // LiteLLM tells the families of models apart: `vertex_ai-anthropic_models`.
  return aliases.get(key) ?? (key.startsWith('vertex_ai_') ? 'gcp.vertex_ai' : key);
}
