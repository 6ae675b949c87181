import type { Fields } from '../event.ts';
import { shortText, within } from '../nested.ts';
import type { Reader } from '../reader.ts';

/** The outcome of content filters, as the columns have it. */
export type Moderation = Pick<Fields, 'moderation_outcome' | 'moderation_category' | 'moderation_severity'>;

const none: Moderation = { moderation_outcome: '', moderation_category: '', moderation_severity: '' };

/** A guardrail's block, by the names that all of Kong's guardrail plugins share. */
const guard = /_(?:block_reason|block_source|processing_latency|masked)$|^guards_triggered_count$/i;

/**
 * What the guardrail plugins decided: `ai.proxy.<guardrail>` (AWS, GCP, Azure, Lakera, custom; blocked where a reason, a
 * source or a count of triggered guards says so), `ai.sanitizer` (personal data) and
 * `ai.audit.azure_content_safety.<category>` (a severity, as a word or as 0 to 7). Reasons and categories are taken only
 * where they are a short name; the prompts that newer versions can log beside them never are.
 * Source: Kong/developer.konghq.com app/ai-gateway/v1/ai-audit-log-reference.md.
 */
export function moderationOf(ai: Reader, block: Reader, refused: boolean): Moderation {
  const found = [
    ...block.names().map((name) => guardrail(block, name)),
    within(ai, 'sanitizer', sanitizer),
    within(ai, 'audit', (audit) => within(audit, 'azure_content_safety', (safety) => azure(safety, refused))),
  ];
  const order = ['', 'passed', 'annotated', 'blocked'];
  const worst = found.reduce((a, b) =>
    order.indexOf(b.moderation_outcome) > order.indexOf(a.moderation_outcome) ? b : a,
  );
  // Azure's plugin writes its reason in one place and the severity in another.
  const severe = found.find((other) => other.moderation_severity !== '') ?? none;
  return {
    moderation_outcome: worst.moderation_outcome,
    moderation_category: worst.moderation_category || severe.moderation_category,
    moderation_severity: worst.moderation_severity || severe.moderation_severity,
  };
}

function guardrail(block: Reader, name: string): Moderation {
  const value = block.peek(name);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return none;
  if (!Object.keys(value).some((inside) => guard.test(inside))) return none;
  return within(block, name, (rail) => {
    const reason = shortName(rail, 'input_block_reason') || shortName(rail, 'output_block_reason');
    const blocked =
      ['input_block_reason', 'output_block_reason', 'input_block_source', 'output_block_source'].some((field) =>
        isSet(rail, field),
      ) || Number(rail.value('guards_triggered_count') ?? 0) > 0;
    const masked = [rail.value('input_masked'), rail.value('output_masked')].some(
      (flag) => flag === true || flag === 'true',
    );
    return {
      ...none,
      moderation_outcome: blocked ? 'blocked' : masked ? 'annotated' : 'passed',
      moderation_category: blocked ? reason : '',
    };
  });
}

function sanitizer(report: Reader): Moderation {
  const blocked = isSet(report, 'input_block_source') || isSet(report, 'output_block_source');
  const found = Math.max(Number(report.value('pii_identified') ?? 0), Number(report.value('pii_sanitized') ?? 0));
  if (!blocked && !(found > 0)) return report.names().length > 0 ? { ...none, moderation_outcome: 'passed' } : none;
  return { ...none, moderation_outcome: blocked ? 'blocked' : 'annotated', moderation_category: 'pii' };
}

const severities = ['safe', 'low', 'medium', 'high'] as const;

function azure(safety: Reader, refused: boolean): Moderation {
  const rated = safety
    .names()
    .map((name) => ({ name, level: severityOf(safety.value(name)) }))
    .filter(({ name, level }) => level >= 0 && /^[\w-]{1,64}$/.test(name));
  if (rated.length === 0) return none;
  const worst = rated.reduce((a, b) => (b.level > a.level ? b : a));
  return {
    moderation_outcome: worst.level === 0 ? 'passed' : refused ? 'blocked' : 'annotated',
    moderation_category: worst.level === 0 ? '' : worst.name.toLowerCase(),
    moderation_severity: severities[worst.level] ?? '',
  };
}

/** Azure's severities are 0 to 7, two to a word: safe, low, medium, high; -1 for what is neither. */
function severityOf(value: unknown): number {
  const text = typeof value === 'number' || typeof value === 'string' ? String(value).toLowerCase() : '';
  return /^[0-7]$/.test(text) ? Math.floor(Number(text) / 2) : severities.findIndex((name) => name === text);
}

function isSet(report: Reader, name: string): boolean {
  const value = report.value(name);
  return typeof value === 'string' && value.trim() !== '';
}

/** The first of several reasons, if it is a name and not a sentence. */
function shortName(report: Reader, name: string): string {
  const first = shortText(report, name).split(',', 1)[0]?.trim() ?? '';
  return /^[\w./-]{1,64}$/.test(first) ? first.toLowerCase() : '';
}
