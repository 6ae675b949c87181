import { shortText } from '../nested.ts';
import { isObject, Reader, type Json, type JsonObject } from '../reader.ts';

/** A span with what it inherits, as one record: `otlpSpans` makes it of an export request. */
export const otlpRecord = 'otlp_span';

/** Operations that ask a model; agents, tools and workflows contain such spans and repeat their tokens. */
const inference = new Set(['chat', 'text_completion', 'embeddings', 'generate_content']);

const spansMax = 10_000;

/**
 * The spans of an OTLP/JSON export request (`resourceSpans` → `scopeSpans` → `spans`), one record each with the
 * attributes of its resource. Of a model's call that two layers report (a framework around a client), the outer span
 * carries `around_call`; the spans below a call that made the requests are its `requests`.
 * Source: open-telemetry/opentelemetry-proto, docs/specification.md, OTLP/HTTP with JSON.
 */
export function otlpSpans(message: JsonObject): readonly Json[] | null {
  const resources = new Reader(message).value('resourceSpans');
  if (!Array.isArray(resources)) return null;
  const found: { span: JsonObject; resource: Json }[] = [];
  for (const { inside: resource } of objects(resources)) {
    const scopes = resource.value('scopeSpans') ?? resource.value('instrumentationLibrarySpans');
    for (const { inside: scope } of objects(scopes)) {
      for (const { value: span } of objects(scope.value('spans'))) {
        if (found.length <= spansMax) found.push({ span, resource: resource.value('resource') ?? null });
      }
    }
  }
  // Spans that stand elsewhere than they should are no spans to us, and are kept as what was not understood.
  if (found.length === 0 && resources.length > 0) return null;
  const family = new Family(found.map(({ span }) => span));
  return found.map(({ span, resource }) => ({
    [otlpRecord]: span,
    resource,
    around_call: family.isAroundCall(span),
    requests: family.requestsOf(span),
  }));
}

/** Whether a span is itself a call of a model, by its attributes. */
export function asksModel(attributes: Reader): boolean {
  const operation = attributes.peek('gen_ai.operation.name');
  if (typeof operation === 'string' && operation !== '') return inference.has(operation.toLowerCase());
  // Before 1.27 instrumentations did not name the operation; the system and the model they did.
  const hasSystem = attributes.has('gen_ai.system') || attributes.has('gen_ai.provider.name');
  return hasSystem && (attributes.has('gen_ai.request.model') || attributes.has('gen_ai.response.model'));
}

/** Attributes as a plain object, from OTLP's list of keys and typed values or from an object as other exporters write. */
export function attributesOf(owner: Reader, name: string): Reader {
  const value = owner.value(name);
  if (isObject(value)) return new Reader(value);
  const pairs = objects(value).flatMap(({ inside }): [string, Json][] => {
    const key = inside.value('key');
    return typeof key === 'string' ? [[key, plain(inside.value('value'))]] : [];
  });
  return new Reader(Object.fromEntries(pairs));
}

/** OTLP writes 64-bit integers as texts; a reader takes digits for a number. */
function plain(value: Json | undefined): Json {
  if (!isObject(value)) return value ?? null;
  const typed = new Reader(value);
  for (const type of ['stringValue', 'intValue', 'doubleValue', 'boolValue']) {
    if (typed.has(type)) return typed.value(type) ?? null;
  }
  return null;
}

function objects(list: Json | undefined): { value: JsonObject; inside: Reader }[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((value) => (isObject(value) ? [{ value, inside: new Reader(value) }] : []));
}

type Member = {
  /** The trace and the span. */
  readonly id: string;
  /** '' at the top. */
  readonly parent: string;
  readonly asks: boolean;
  readonly sends: boolean;
  readonly operation: string;
};

/** Generations above a span that are looked at; more than any real trace has. */
const generationsMax = 256;

/** Requests of one call that are kept: more ids than a few link nothing. */
const requestsMax = 32;

/** What stands below a span, at any depth: the operations of calls, and the ids of spans that sent a request. */
type Below = { readonly operations: Set<string>; readonly requests: string[] };

/**
 * Who is below whom among the spans of one message. It is told from below, one walk up for each call and request, so
 * that a chain as long as its message takes no more than its length times the bound.
 */
class Family {
  readonly #parents = new Map<string, string>();
  readonly #below = new Map<string, Below>();

  constructor(spans: readonly JsonObject[]) {
    const members = spans.map(memberOf);
    for (const { id, parent } of members) if (parent !== '') this.#parents.set(id, parent);
    for (const { id, asks, sends, operation } of members) {
      if (!asks && !sends) continue;
      for (const ancestor of this.#above(id)) {
        const below = this.#below.get(ancestor) ?? { operations: new Set(), requests: [] };
        this.#below.set(ancestor, below);
        if (asks) below.operations.add(operation);
        else if (below.requests.length < requestsMax) below.requests.push(id.slice(id.indexOf('/') + 1));
      }
    }
  }

  /** Whether a call of the same kind lies below this one; a span below itself is around nothing. */
  isAroundCall(span: JsonObject): boolean {
    const { id, operation } = memberOf(span);
    if (this.#below.get(id)?.operations.has(operation) !== true) return false;
    const above = this.#above(id);
    return this.#parents.get(above.at(-1) ?? id) !== id;
  }

  /** The spans below that sent the call's request: their ids are what a gateway reads in `traceparent`. */
  requestsOf(span: JsonObject): string[] {
    return this.#below.get(memberOf(span).id)?.requests ?? [];
  }

  /** From the parent up; spans that name each other as parents, and chains longer than any real one, end the walk. */
  #above(id: string): string[] {
    const seen = new Set([id]);
    for (let at = this.#parents.get(id); at !== undefined && seen.size <= generationsMax; at = this.#parents.get(at)) {
      if (seen.has(at)) break;
      seen.add(at);
    }
    return [...seen].slice(1);
  }
}

function memberOf(span: JsonObject): Member {
  const reader = new Reader(span);
  const trace = shortText(reader, 'traceId').toLowerCase();
  const parent = shortText(reader, 'parentSpanId').toLowerCase();
  const attributes = attributesOf(reader, 'attributes');
  const asks = asksModel(attributes);
  return {
    id: `${trace}/${shortText(reader, 'spanId').toLowerCase()}`,
    parent: parent === '' ? '' : `${trace}/${parent}`,
    asks,
    sends: !asks && ['http.request.method', 'http.method'].some((name) => attributes.has(name)),
    operation: shortText(attributes, 'gen_ai.operation.name').toLowerCase(),
  };
}
