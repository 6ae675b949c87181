/** Where a consumer starts to read a partition. `inclusive` also gives the event at that place itself. */
export type Position =
  | { readonly kind: 'start' }
  | { readonly kind: 'end' }
  | { readonly kind: 'sequence'; readonly value: number; readonly inclusive: boolean }
  | { readonly kind: 'offset'; readonly value: number; readonly inclusive: boolean }
  | { readonly kind: 'time'; readonly after: number };

const SELECTOR = /^amqp\.annotation\.x-opt-(sequence-number|offset|enqueued-time) *(>=|>) *(?:'([^']*)'|(\S+))$/u;

/** Reads a selector filter such as `amqp.annotation.x-opt-offset > '42'`; undefined when it is none. */
export function parseSelector(filter: string): Position | undefined {
  const [, field, operator, quoted, bare] = SELECTOR.exec(filter.trim()) ?? [];
  const text = quoted ?? bare;
  if (field === undefined || text === undefined) return undefined;
  if (field === 'offset' && text === '-1') return { kind: 'start' };
  if (field === 'offset' && text === '@latest') return { kind: 'end' };
  if (!/^-?\d{1,16}$/u.test(text)) return undefined;
  const value = Number(text);
  const inclusive = operator === '>=';
  if (field === 'enqueued-time') return { kind: 'time', after: inclusive ? value - 1 : value };
  return field === 'offset' ? { kind: 'offset', value, inclusive } : { kind: 'sequence', value, inclusive };
}
