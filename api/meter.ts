/** Where a deployment may run; calls do not say it. */
export const deploymentTypes = ['global', 'data_zone', 'regional'] as const;
export type DeploymentType = (typeof deploymentTypes)[number];

/** What the name of one of Azure's meters says. */
export type Meter = {
  /** As the name has it, in small letters with hyphens: `gpt-4o`. */
  readonly model: string;
  /** Month and day of the model's version, such as 1120; '' where the meter names none. */
  readonly version: string;
  /** Kind of token; '' where the meter counts something else. */
  readonly kind: string;
  readonly tier: string;
  readonly deployment: DeploymentType;
  /** The fee of a model router, counted in the same input tokens that the routed model is billed for. */
  readonly isRouterFee: boolean;
};

/** Azure's short forms, each seen in its price list: `opt` is output, `cd` cached, `gl` global. */
const words: Readonly<Record<string, readonly string[]>> = {
  input: ['inp', 'inpt', 'in', 'input'],
  output: ['outp', 'opt', 'out', 'output'],
  cached: ['cached', 'cchd', 'cache', 'cd'],
  audio: ['audio', 'aud'],
  batch: ['batch'],
  priority: ['prty', 'priority', 'pp'],
  global: ['glbl', 'global', 'gl'],
  data_zone: ['dzone', 'dz', 'dzn', 'datazone'],
  other: ['regnl', 'rgnl', 'regional', 'tokens', 'token', 'std', '1k', '1m', 'text', 'txt'],
};
const known = new Map(Object.entries(words).flatMap(([meaning, forms]) => forms.map((form) => [form, meaning])));

/** `gpt 4o 1120 cached Inp glbl Tokens` → gpt-4o, 1120, cache_read, global. Separators and case do not count. */
export function meterOf(name: string): Meter {
  const parts = name
    .toLowerCase()
    .replace(/data[ -]zone/, 'datazone')
    .replace(/\bbatch(?=inp|out|opt)/, 'batch ')
    .split(/[\s_-]+/)
    .filter((part) => part !== '');
  const meanings = parts.map((part) => known.get(part));
  const is = (meaning: string): boolean => meanings.includes(meaning);
  const first = meanings.findIndex((meaning) => meaning !== undefined);
  const named = parts.slice(0, first === -1 ? parts.length : first);
  const last = named.at(-1) ?? '';
  const version = /^(0[1-9]|1[0-2])[0-3]\d$/.test(last) ? last : '';
  return {
    model: (version === '' ? named : named.slice(0, -1)).join('-'),
    version,
    kind: kindOf(is),
    tier: is('batch') ? 'batch' : is('priority') ? 'priority' : 'standard',
    deployment: is('global') ? 'global' : is('data_zone') ? 'data_zone' : 'regional',
    isRouterFee: /model[ -]?router/.test(name.toLowerCase()),
  };
}

function kindOf(is: (meaning: string) => boolean): string {
  if (is('cached')) return is('audio') || is('output') ? '' : 'cache_read';
  if (is('output')) return is('audio') ? 'output_audio' : 'output';
  if (is('input')) return is('audio') ? 'input_audio' : 'input';
  return '';
}
