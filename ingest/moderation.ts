import type { Fields } from './event.ts';
import { isObject, parseJson, type Json, type JsonObject } from './reader.ts';

type Moderation = Pick<Fields, 'moderation_outcome' | 'moderation_category' | 'moderation_severity'>;

const none: Moderation = { moderation_outcome: '', moderation_category: '', moderation_severity: '' };

const severities = ['safe', 'low', 'medium', 'high'] as const;

/** The filter's own names; any other key of a result is not repeated, because a body is text that others wrote. */
const categories: ReadonlySet<string> = new Set([
  'hate',
  'sexual',
  'violence',
  'self_harm',
  'jailbreak',
  'profanity',
  'indirect_attack',
  'protected_material_text',
  'protected_material_code',
  'custom_blocklists',
  'ungrounded_material',
  'personally_identifiable_information',
  'task_adherence',
]);

type Severity = (typeof severities)[number];
type Finding = { readonly category: string; readonly severity: Severity | ''; readonly filtered: boolean };

/**
 * What Azure's content filter found, from a logged response body: the outcome, the worst category and its severity,
 * never text. A refused call has `error.code` content_filter with the results inside `innererror`; an answered one has
 * results for the prompt and for each choice. A body that was cut is not JSON and says nothing.
 * Source: Azure OpenAI REST reference, contentFilterResults.
 */
export function moderationOf(body: Json | undefined): Moderation {
  // Most bodies have no filter in them, and parsing costs more than all the rest of the record.
  if (typeof body === 'string' && !body.includes('content_filter')) return none;
  const parsed = typeof body === 'string' ? parseJson(body) : body;
  if (parsed === undefined || !isObject(parsed)) return none;
  const error = objectIn(parsed, 'error');
  const refused = error?.['code'] === 'content_filter' || inner(error)?.['code'] === 'ResponsibleAIPolicyViolation';
  const stopped = list(parsed, 'choices').some((choice) => choice['finish_reason'] === 'content_filter');
  const results = [inner(error), ...list(parsed, 'prompt_filter_results'), ...list(parsed, 'choices')];
  const findings = results.flatMap((result) => findingsOf(result));
  if (findings.length === 0 && !refused && !stopped) return none;
  const worst = findings.toSorted((a, b) => weight(b) - weight(a))[0];
  const blocked = refused || stopped || worst?.filtered === true;
  const found = worst !== undefined && weight(worst) > 1;
  return {
    moderation_outcome: blocked ? 'blocked' : found ? 'annotated' : 'passed',
    moderation_category: found ? worst.category : '',
    moderation_severity: worst?.severity ?? '',
  };
}

function inner(error: JsonObject | null): JsonObject | null {
  return error === null ? null : objectIn(error, 'innererror');
}

/** Severities, and detections that have none: those count as much as the highest, because they are no matter of degree. */
function findingsOf(result: JsonObject | null): Finding[] {
  if (result === null) return [];
  const all = objectIn(result, 'content_filter_results') ?? objectIn(result, 'content_filter_result');
  return Object.entries(all ?? {}).flatMap(([category, found]): Finding[] => {
    if (!categories.has(category) || found === undefined || !isObject(found)) return [];
    const filtered = found['filtered'] === true;
    const severity = severities.find((name) => name === found['severity']) ?? '';
    if (severity === '' && found['detected'] !== true && !filtered) return [];
    return [{ category, severity, filtered }];
  });
}

/** 1 is safe; a finding that was filtered outweighs every one that was only annotated. */
function weight({ severity, filtered }: Finding): number {
  const degree = severity === '' ? severities.length : severities.indexOf(severity) + 1;
  return degree + (filtered ? 10 : 0);
}

function objectIn(object: JsonObject, name: string): JsonObject | null {
  const value = object[name];
  return value !== undefined && isObject(value) ? value : null;
}

function list(object: JsonObject, name: string): JsonObject[] {
  const value = object[name];
  return Array.isArray(value) ? value.filter(isObject) : [];
}
