/** One condition on a label, written as Prometheus and Alertmanager write it: `tenant_id="retail"`, !=, =~, !~. */
export type Matcher = { readonly label: string; readonly matches: (value: string) => boolean };

export type ParsedMatcher =
  | { readonly kind: 'matcher'; readonly matcher: Matcher }
  | { readonly kind: 'refused'; readonly reason: string };

const form = /^\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*$/;
const lengthMax = 512;

/** Never throws: what a person wrote is refused with a reason. A label that an alert lacks has the value ''. */
export function parseMatcher(text: string): ParsedMatcher {
  if (text.length > lengthMax) return refused(`is longer than ${lengthMax} characters`);
  const found = form.exec(text);
  if (found === null) return refused('is not of the form label="value", with =, !=, =~ or !~');
  const [, label = '', operator = '', quoted, bare] = found;
  const value = quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(.)/g, '$1');
  if (operator === '=') return accepted(label, (given) => given === value);
  if (operator === '!=') return accepted(label, (given) => given !== value);
  const pattern = compile(quoted === undefined ? (bare ?? '') : quoted.replaceAll(/\\(["\\])/g, '$1'));
  if (typeof pattern === 'string') return refused(pattern);
  return accepted(label, operator === '=~' ? (given) => pattern.test(given) : (given) => !pattern.test(given));
}

/** Whether all conditions hold; none at all holds for everything. */
export function matchesAll(matchers: readonly Matcher[], labels: Readonly<Record<string, string>>): boolean {
  return matchers.every((matcher) => matcher.matches(labels[matcher.label] ?? ''));
}

const alternative = /^(?:[^\\[\](){}*+?|^$.]|\\[^a-zA-Z0-9]|\.[*+]?|\[[^\][\\]+\])*$/;
const wildcardsMax = 3;

/**
 * Anchored at both ends. Only alternatives of literals, `.`, `.*`, `.+` and character classes: patterns for which no
 * label can take long, because whoever may write a silence must not be able to stop the evaluator.
 */
function compile(pattern: string): RegExp | string {
  for (const part of pattern.split('|')) {
    if (!alternative.test(part)) return 'has a pattern with more than alternatives, ., .*, .+ and [classes] in it';
    if ((part.match(/\.[*+]/g) ?? []).length > wildcardsMax) return `has more than ${wildcardsMax} of .* and .+`;
  }
  try {
    return new RegExp(`^(?:${pattern})$`, 's');
  } catch {
    return 'has a pattern that is not a regular expression';
  }
}

function accepted(label: string, matches: (value: string) => boolean): ParsedMatcher {
  return { kind: 'matcher', matcher: { label, matches } };
}

function refused(reason: string): ParsedMatcher {
  return { kind: 'refused', reason };
}
