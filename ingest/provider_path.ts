/** What a path says, whatever the host; the provider only where no other has such paths. */
export type PathFacts = {
  readonly provider_name: string;
  readonly operation_name: string;
  readonly deployment: string;
  readonly request_model: string;
};

/** The end of a path names the operation, by the names of OpenTelemetry `gen_ai.operation.name`. */
const operations: readonly (readonly [pattern: RegExp, operation: string])[] = [
  [/\/chat\/completions$|\/responses$|\/messages$|\/agents\/completions$/, 'chat'],
  [/\/completions$/, 'text_completion'],
  [/\/embeddings$/, 'embeddings'],
  [/:(stream)?generatecontent$/, 'generate_content'],
  [/:(batch)?embedcontents?$/, 'embeddings'],
];

/** Cohere's short words mean something on its own host only. */
const cohereOperations: ReadonlyMap<string, string> = new Map([
  ['/v1/chat', 'chat'],
  ['/v2/chat', 'chat'],
  ['/v1/embed', 'embeddings'],
  ['/v2/embed', 'embeddings'],
  ['/v1/generate', 'text_completion'],
]);

/**
 * Where paths name a deployment or an endpoint: Azure OpenAI, Databricks Model Serving (not its OpenAI-compatible
 * paths, where the body names the model), Vertex AI and SageMaker.
 */
const deployments: readonly RegExp[] = [
  /\/deployments\/([^/]{1,255})(?:\/|$)/i,
  /\/serving-endpoints\/([^/]{1,255})(?:\/served-models\/[^/]{1,255})?\/invocations$/i,
  /\/endpoints\/([^/:]{1,255})(?::[a-z]{1,40}|\/invocations)$/i,
];

/**
 * Where paths name a model: Gemini, Vertex AI and KServe (`models/<model>:<verb>`), Triton (`models/<model>/infer`),
 * TorchServe (`predictions/<model>`).
 */
const models: readonly RegExp[] = [
  /\/(?:models|tunedmodels)\/([^/:]{1,255}):[a-z]{1,40}$/i,
  /\/models\/([^/:]{1,255})(?:\/versions\/[^/]{1,64})?\/(?:infer|generate)(?:_stream)?$/i,
  /\/predictions\/([^/:]{1,255})(?:\/[\d.]{1,32})?$/i,
];

const bedrock =
  /\/model\/([^/]{1,2048})\/(?:converse|converse-stream|invoke|invoke-with-response-stream|invoke-with-bidirectional-stream)$/i;

/** A function app's host, also with the region and hash of newer ones, and its function's path. */
const functionHost = /\.azurewebsites\.(?:net|us)$|\.chinacloudsites\.cn$/;
const functionPath = /^\/api\/([^/]{1,255})(?:\/|$)/i;

const azureMl = /^([a-z0-9-]{1,64})\.[a-z0-9]{1,32}\.inference\.ml\.azure\.(?:com|us|cn)$/;

/** Reads the path of a URL, without its query string; the host only for those that give a path its meaning. */
export function pathFacts(host: string, path: string): PathFacts {
  const lower = path.toLowerCase();
  const onBedrock = lower.includes('/model/') ? bedrockFacts(path) : null;
  const isCohere = host.startsWith('api.cohere.');
  // Operations stand at the end; a short end is quickly looked at.
  const end = lower.slice(lower.lastIndexOf('/', lower.lastIndexOf('/') - 1));
  return {
    provider_name: onBedrock === null ? providerOfPath(lower) : 'aws.bedrock',
    operation_name:
      (isCohere ? cohereOperations.get(lower) : undefined) ??
      operations.find(([pattern]) => pattern.test(end))?.[1] ??
      (onBedrock?.operation_name || ''),
    deployment:
      (lower.includes('deployments/') || lower.includes('endpoints/') ? first(deployments, path) : '') ||
      onBedrock?.deployment ||
      azureMl.exec(host)?.[1] ||
      (functionHost.test(host) ? plain(functionPath.exec(path)?.[1] ?? '') : ''),
    request_model:
      onBedrock?.request_model ??
      (lower.includes('models/') || lower.includes('/predictions/') ? first(models, path) : ''),
  };
}

function providerOfPath(lower: string): string {
  if (!lower.includes('/serving-endpoints/') && !lower.includes('/publishers/')) return '';
  if (/\/serving-endpoints\/[^/]{1,255}(?:\/[^/]{1,255}){0,2}\/(?:invocations|completions)$/.test(lower))
    return 'databricks';
  return /\/publishers\/[^/]{1,64}\/models\//.test(lower) ? 'gcp.vertex_ai' : '';
}

function first(patterns: readonly RegExp[], path: string): string {
  for (const pattern of patterns) {
    const found = pattern.exec(path)?.[1];
    if (found !== undefined) return plain(found);
  }
  return '';
}

/** Bedrock's model in the path: an id, an inference profile, or the name of a resource that hides the model. */
function bedrockFacts(path: string): Omit<PathFacts, 'provider_name'> | null {
  const found = bedrock.exec(path)?.[1];
  if (found === undefined) return null;
  const id = plain(found);
  const last = id.slice(id.lastIndexOf('/') + 1).slice(0, 255);
  const isOpaque = /:(?:provisioned-model|application-inference-profile|imported-model|custom-model-deployment)\//.test(
    id,
  );
  const operation_name = /\/converse(?:-stream)?$/i.test(path) ? 'chat' : '';
  return { operation_name, deployment: isOpaque ? last : '', request_model: isOpaque ? '' : last };
}

/** A part of a path as it is meant: `%3A` is a colon. What cannot be read stays as it stands. */
function plain(part: string): string {
  if (!part.includes('%')) return part;
  try {
    return decodeURIComponent(part).toWellFormed();
  } catch {
    return part;
  }
}

/** Words that every model server's paths have, which name no service. */
const generic =
  /^(?:api|v\d{1,3}(?:beta\d?|alpha)?|score|predict|predictions?|invoke|invocations|infer|inference|models?|ml|ai|openai|serve|run|query|health|metrics)$/i;

/** The first word of a path that is not everybody's; '' where it looks like an id, of which there may be millions. */
export function service(path: string): string {
  for (const part of path.slice(0, 512).split('/')) {
    if (part === '' || generic.test(part)) continue;
    return /^[a-z][\w.-]{0,63}$/i.test(part) && !/^[\da-f-]{16,}$|\d{5}/i.test(part) ? part : '';
  }
  return '';
}
