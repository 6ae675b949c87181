import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { z } from 'zod';

/** What API Management's `context` says of a call; what a call lacks is null, as there. */
export type Call = {
  readonly path: string;
  readonly requestType?: string;
  readonly requestBody?: string | null;
  readonly subscription?: string | null;
  readonly product?: string | null;
  readonly user?: string | null;
  readonly operation?: string | null;
  readonly status?: number | null;
  readonly responseType?: string;
  readonly responseBody?: string;
  readonly errorReason?: string | null;
  readonly variables?: Readonly<Record<string, string>>;
};

/** What the policy did: the event, the body that the backend got, and how often each body was read. */
export type Outcome = {
  readonly event: string;
  readonly requestBody: string | null;
  readonly reads: { readonly request: number; readonly response: number };
};

export const fragments = ['gatemeter-request', 'gatemeter-include-usage', 'gatemeter-call'] as const;

/** A fragment's text, after a check that it is well-formed. */
export function fragment(name: (typeof fragments)[number]): string {
  const text = readFileSync(new URL(`../../docs/apim/${name}.fragment.xml`, import.meta.url), 'utf8');
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw new Error(`${name}: ${valid.err.msg}, line ${valid.err.line}`);
  return text;
}

const parser = new XMLParser({ ignoreAttributes: false, attributeNamePrefix: '', trimValues: true });
const variable = z.object({ name: z.string(), value: z.string() });
const requestShape = z.strictObject({ fragment: z.strictObject({ 'set-variable': variable }) });
const usageShape = z.strictObject({
  fragment: z.strictObject({
    choose: z.strictObject({ when: z.strictObject({ condition: z.string(), 'set-body': z.string() }) }),
  }),
});
const log = z.strictObject({ 'logger-id': z.literal('gatemeter'), '#text': z.string() });
const callShape = z.strictObject({
  fragment: z.strictObject({
    choose: z.strictObject({
      when: z.strictObject({ condition: z.string(), 'set-variable': variable, 'log-to-eventhub': log }),
    }),
  }),
});

/** The C# expressions of the fragments, by what they are for. */
export const expressions = ((): Record<'request' | 'wants' | 'body' | 'first' | 'event', string> => {
  const request = requestShape.parse(parser.parse(fragment('gatemeter-request')));
  const usage = usageShape.parse(parser.parse(fragment('gatemeter-include-usage')));
  const call = callShape.parse(parser.parse(fragment('gatemeter-call')));
  return {
    request: request.fragment['set-variable'].value,
    wants: usage.fragment.choose.when.condition,
    body: usage.fragment.choose.when['set-body'],
    first: call.fragment.choose.when.condition,
    event: call.fragment.choose.when['log-to-eventhub']['#text'],
  };
})();

/**
 * The small part of C# that the fragments use, as JavaScript: casts of names and types away, methods by the same name.
 * It is a check of what the expressions say; whether they compile only API Management can tell.
 */
function translated(expression: string): string {
  const script = expression
    .replaceAll(/\.As<(\w+)>\(preserveContent: true\)/g, '.As("$1")')
    .replaceAll(/\b(GetValueOrDefault|Dictionary)<[\w, ]+>/g, '$1')
    .replaceAll(/foreach \(var (\w+) in (\w+)\)/g, 'for (const $1 of pairs($2))')
    .replaceAll(/(\w+\["\w+"\]) as JObject/g, 'asJObject($1)')
    .replaceAll('catch (Exception)', 'catch');
  if (script.startsWith('@{')) return `(() => ${script.slice(1)})()`;
  return script.slice(1);
}

/** .NET's methods on the strings and arrays of the context that a script runs in. */
const dotnet = `
  class JObject { ToString() { return JSON.stringify(this); } }
  class Dictionary {}
  JObject.Parse = (text) => JSON.parse(text, (_, v) => v !== null && typeof v === 'object' && !Array.isArray(v) ? Object.assign(new JObject(), v) : v);
  const parseObject = (text) => { const v = JObject.Parse(text); if (!(v instanceof JObject)) throw new Error('not an object'); return v; };
  const asJObject = (v) => v instanceof JObject ? v : null;
  const pairs = (d) => Object.entries(d).map(([Key, Value]) => ({ Key, Value }));
  const Convert = {
    ToString: (v) => v === undefined || v === null ? '' : v === true ? 'True' : v === false ? 'False' : typeof v === 'object' ? JSON.stringify(v) : String(v),
    ToInt64: Math.round,
  };
  const StringComparison = { OrdinalIgnoreCase: 'i' };
  const Newtonsoft = { Json: { Formatting: { None: 0 } } };
  Array.IndexOf = (all, one) => all.indexOf(one);
  const folded = (text, how) => how === 'i' ? text.toLowerCase() : text;
  const define = (prototype, name, value) => Object.defineProperty(prototype, name, typeof value === 'function' && value.getter ? { get: value } : { value });
  const getter = (read) => Object.assign(read, { getter: true });
  define(String.prototype, 'Length', getter(function () { return this.length; }));
  define(Array.prototype, 'Length', getter(function () { return this.length; }));
  define(String.prototype, 'Substring', function (from, n) { return n === undefined ? this.slice(from) : this.slice(from, from + n); });
  define(String.prototype, 'IndexOf', function (t, how) { return folded(this, how).indexOf(folded(t, how)); });
  define(String.prototype, 'StartsWith', function (t, how) { return folded(this, how).startsWith(folded(t, how)); });
  define(String.prototype, 'EndsWith', function (t, how) { return folded(this, how).endsWith(folded(t, how)); });
  define(String.prototype, 'TrimEnd', function (t) { let s = String(this); while (s.endsWith(t)) s = s.slice(0, -1); return s; });
  define(String.prototype, 'Split', function (t) { return this.split(t); });
  define(String.prototype, 'ToLower', function () { return this.toLowerCase(); });
  const body = (text, onRead) => text === null ? null : { As: (type) => { onRead(); return type === 'JObject' ? parseObject(text) : text; } };
  const headers = (type) => ({ GetValueOrDefault: (_, other) => type ?? other });
  const known = (id) => id === null || id === undefined ? null : { Id: id };
`;

/** Runs the fragments' own expressions for a call, in their order, as a stand-in for the gateway. */
export function run(call: Call): Outcome {
  const reads = { request: 0, response: 0 };
  const variables = new Map<string, unknown>(Object.entries(call.variables ?? {}));
  const world = createContext({ call, variables, reads, sent: call.requestBody ?? null });
  runInContext(
    `${dotnet}
    const context = {
      RequestId: { ToString: () => '0f3c6f8a-6f5e-4d5e-9c6a-2c7c1f5b9a01' },
      Timestamp: { ToString: (format) => format === 'o' ? '2026-08-20T09:15:31.4465902Z' : '20.08.2026 09:15:31' },
      Elapsed: { TotalMilliseconds: 4312.4 },
      Deployment: { ServiceName: 'APIM-Contoso', Region: 'West Europe' },
      Api: { Id: 'azure-openai-api' },
      Operation: known(call.operation),
      Subscription: known(call.subscription),
      Product: known(call.product),
      User: known(call.user),
      LastError: call.errorReason == null ? null : { Reason: call.errorReason },
      Variables: {
        ContainsKey: (name) => variables.has(name),
        GetValueOrDefault: (name, other) => variables.has(name) ? variables.get(name) : other,
      },
      Request: {
        Url: { Path: call.path },
        Headers: headers(call.requestType),
        get Body() { return body(sent, () => { reads.request += 1; }); },
      },
      Response: call.status == null ? null : {
        StatusCode: call.status,
        Headers: headers(call.responseType),
        Body: body(call.responseBody ?? null, () => { reads.response += 1; }),
      },
    };`,
    world,
  );
  const evaluate = (expression: string): unknown => runInContext(translated(expression), world) as unknown;
  variables.set('gatemeter-request', evaluate(expressions.request));
  if (evaluate(expressions.wants) === true) runInContext(`sent = ${translated(expressions.body)}`, world);
  if (evaluate(expressions.first) !== true) throw new Error('the first event was not to be logged');
  variables.set('gatemeter-logged', true);
  const event = String(evaluate(expressions.event));
  if (evaluate(expressions.first) === true) throw new Error('a second event would be logged');
  return { event, requestBody: world['sent'] as string | null, reads };
}
