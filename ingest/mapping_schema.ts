import { z } from 'zod';
import { parsePath, type Path } from './mapping_path.ts';
import { isSecretName, isTextName } from './secret.ts';

/** What a column holds decides how its value is read and which units it may have. */
export type ColumnType = 'text' | 'instant' | 'duration' | 'count' | 'status' | 'flag' | 'share';

const texts =
  'consumer_id product_id api_id operation_id operation_name provider_name request_model response_model response_id deployment backend region service_tier user_id error_type cache_status model_version routing_label moderation_outcome moderation_category moderation_severity throttled_by instance_id event_name event_reason';

/** The columns that a mapping may fill beside those of tokens, which `usage` fills. */
export const columns: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ...texts.split(' ').map((name) => [name, 'text'] as const),
  ['started_at', 'instant'],
  ['duration_ms', 'duration'],
  ['backend_ms', 'duration'],
  ['client_ms', 'duration'],
  ['time_to_first_token_ms', 'duration'],
  ['throttled_ms', 'duration'],
  ['http_response_status_code', 'status'],
  ['backend_response_status_code', 'status'],
  ['request_stream', 'flag'],
  ['truncated', 'flag'],
  ['request_bytes', 'count'],
  ['response_bytes', 'count'],
  ['attempts', 'count'],
  ['quota_remaining_tokens', 'count'],
  ['sample_fraction', 'share'],
]);

/** The closed sets of some text columns; a value outside of them is unset, unless `values` translates it. */
export const enumerated: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  ['cache_status', new Set(['hit', 'miss'])],
  ['moderation_outcome', new Set(['passed', 'annotated', 'blocked'])],
  ['moderation_severity', new Set(['safe', 'low', 'medium', 'high'])],
  ['throttled_by', new Set(['rate_limit', 'quota', 'token_limit', 'backend', 'bandwidth'])],
]);

const units: Readonly<Record<ColumnType, readonly string[]>> = {
  text: [],
  instant: ['iso8601', 'epoch_s', 'epoch_ms', 'epoch_us', 'epoch_ns'],
  duration: ['ms', 's', 'us', 'ns'],
  count: [],
  status: [],
  flag: [],
  share: ['fraction', 'percent'],
};

const path = z.string({ error: 'must be a path such as a.b[0].c' }).transform((text, context): Place => {
  const parsed = parsePath(text);
  if (parsed !== null && typeof parsed[0] === 'string') return { text, path: parsed };
  context.addIssue({
    code: 'custom',
    message: `"${text.slice(0, 80)}" is no path; write names with dots, members of lists as [0], and other names as ["a.b"]`,
  });
  return z.NEVER;
});

/** A path as it was written and as it is walked. */
export type Place = { readonly text: string; readonly path: Path };

const scalar = z.union([z.string(), z.number(), z.boolean()], { error: 'must be a text, a number, true or false' });

const source = z
  .strictObject(
    {
      path: path.optional(),
      constant: scalar.optional(),
      between: z.tuple([path, path], { error: 'must be two paths: from and to' }).optional(),
      unit: z.string({ error: 'must be the name of a unit' }).optional(),
      values: z.record(z.string(), z.string({ error: 'must be a text' }), { error: 'must be an object' }).optional(),
      list: z.enum(['first', 'last', 'sum', 'count'], { error: 'must be first, last, sum or count' }).optional(),
    },
    { error: 'must be a path, an object with path, constant or between, or a list of these' },
  )
  .refine(({ path, constant, between }) => [path, constant, between].filter((way) => way !== undefined).length === 1, {
    error: 'needs exactly one of path, constant and between',
  });

export type ValueSource = z.output<typeof source>;

/** A path, a description of one value, or a list of alternatives of which the first that says something counts. */
const sources = z.preprocess(
  (given) =>
    (Array.isArray(given) ? given : [given]).map((one: unknown) => (typeof one === 'string' ? { path: one } : one)),
  z.array(source, { error: 'must be a path, an object or a list of them' }).min(1, { error: 'names no value' }),
);

export type ValueSources = z.output<typeof sources>;

/** What becomes a text of a column outside of `fields`: the gateway's name and the id of the call. */
const namingSources = sources.superRefine((alternatives, context) => {
  for (const [index, one] of alternatives.entries())
    for (const message of faults('text', one)) context.addIssue({ code: 'custom', path: [index], message });
});

const fields = z
  .record(z.string(), sources, { error: 'must be an object of columns' })
  .superRefine((given, context) => {
    for (const [column, alternatives] of Object.entries(given)) {
      const type = columns.get(column);
      if (type === undefined) {
        const known = [...columns.keys()].join(', ');
        context.addIssue({
          code: 'custom',
          path: [column],
          message: /^usage_|_tokens$/.test(column)
            ? 'tokens are mapped under "usage", which keeps their kinds disjoint'
            : `is no column that a mapping fills; known are ${known}`,
        });
        continue;
      }
      for (const [index, one] of alternatives.entries())
        for (const message of faults(type, one)) context.addIssue({ code: 'custom', path: [column, index], message });
    }
  });

/** What is wrong with a value for a column of this type. */
function faults(type: ColumnType, { path, between, unit, list }: ValueSource): string[] {
  const found: string[] = [];
  const allowed = between === undefined ? units[type] : units.instant;
  if (unit !== undefined && !allowed.includes(unit))
    found.push(
      allowed.length === 0
        ? `the unit "${unit}" means nothing here; remove it`
        : `the unit "${unit}" is unknown here; use ${allowed.join(', ')}`,
    );
  if (between !== undefined && type !== 'duration') found.push('"between" gives a duration; use a path');
  if ((list === 'sum' || list === 'count') && type !== 'count' && type !== 'duration')
    found.push(`"list": "${list}" gives a number; use first or last`);
  const last = path?.path.findLast((step) => typeof step === 'string');
  if (type === 'text' && typeof last === 'string' && (isTextName(last) || isSecretName(last)))
    found.push(
      `"${last}" is a name of message text, query strings or keys, which never reach a column; map an id, a code or a model`,
    );
  return found;
}

const count = sources.optional();

const counts = z.strictObject({
  input: count,
  cache_read_input: count,
  cache_creation_5m_input: count,
  cache_creation_1h_input: count,
  audio_input: count,
  output: count,
  reasoning_output: count,
  audio_output: count,
  total: count,
});

export type Counts = z.output<typeof counts>;

const usage = z
  .strictObject({
    path: path.optional(),
    response: path.optional(),
    provider: z.string({ error: 'must be a name of OpenTelemetry such as openai' }).optional(),
    counts: counts.optional(),
    input_includes_cached: z.boolean({ error: 'must be true or false' }).optional(),
    input_includes_audio: z.boolean({ error: 'must be true or false' }).optional(),
    output_includes_reasoning: z.boolean({ error: 'must be true or false' }).optional(),
    output_includes_audio: z.boolean({ error: 'must be true or false' }).optional(),
    quality: z.enum(['exact', 'estimated', 'partial'], { error: 'must be exact, estimated or partial' }).optional(),
  })
  .superRefine((given, context) => {
    if ([given.path, given.response, given.counts].filter((way) => way !== undefined).length !== 1)
      context.addIssue({
        code: 'custom',
        message: 'needs exactly one of path (a usage object), response (a whole response) and counts (single numbers)',
      });
    const mapped = given.counts;
    if (mapped === undefined) return;
    const must = (name: keyof typeof given, isMapped: boolean): void => {
      if (isMapped && given[name] === undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: 'is missing; say whether the one count includes the other',
        });
    };
    const caches = [mapped.cache_read_input, mapped.cache_creation_5m_input, mapped.cache_creation_1h_input];
    must(
      'input_includes_cached',
      caches.some((cache) => cache !== undefined),
    );
    must('input_includes_audio', mapped.audio_input !== undefined);
    must('output_includes_reasoning', mapped.reasoning_output !== undefined);
    must('output_includes_audio', mapped.audio_output !== undefined);
    if (given.quality === undefined)
      context.addIssue({
        code: 'custom',
        path: ['quality'],
        message:
          "is missing; say exact (the provider's counts), estimated (the gateway's) or partial (some kinds are in no count)",
      });
  });

/** A mapping file: how the records of one gateway are told from others, and where its values stand. */
export const mappingSchema = z.strictObject({
  $comment: z.string().optional(),
  name: z
    .string({ error: 'is missing; give the gateway a short name' })
    .regex(/^[a-z][a-z0-9_]{0,39}$/, { error: 'must be lower case letters, digits and _, at most 40' }),
  kind: z.enum(['call', 'gateway', 'usage', 'backend'], {
    error: 'must be call (a whole call), gateway (caller and timing), usage (tokens only) or backend',
  }),
  recognise: z
    .strictObject(
      {
        constants: z.record(z.string(), scalar, { error: 'must be an object of paths and values' }).default({}),
        present: z.array(path, { error: 'must be a list of paths' }).default([]),
      },
      { error: 'is missing; say which constants or names only this gateway has' },
    )
    .refine(({ constants, present }) => Object.keys(constants).length + present.length > 0, {
      error: 'would match every record; name a constant or a path that only this gateway has',
    })
    .superRefine(({ constants }, context) => {
      for (const name of Object.keys(constants))
        if (parsePath(name) === null)
          context.addIssue({ code: 'custom', path: ['constants', name], message: 'is no path; write a.b[0].c' });
    }),
  gateway: namingSources,
  id: namingSources.optional(),
  linked_ids: z.array(path, { error: 'must be a list of paths' }).default([]),
  url: sources.optional(),
  backend_url: sources.optional(),
  fields,
  usage: usage.optional(),
  ignore: z.array(z.string(), { error: 'must be a list of names' }).default([]),
});

export type Mapping = z.output<typeof mappingSchema>;
