/**
 * What records of one call have in common. A correlation id that is unique in the world (a UUID, 32 hexadecimal
 * digits as Kong has, or a trace's id with one span's) stands alone, in lower case, so that a back end that was handed the id names
 * the same call as the gateway. Any other is unique within its gateway at most, and carries its name.
 */
export function callId(gateway: string, correlation_id: string): string {
  const id = correlation_id.toLowerCase();
  return isUnique(id) ? id : `${gateway}/${correlation_id}`;
}

/** The ids of other systems that are worth a link: only those that cannot collide. */
export function linkedIds(own: string, others: readonly string[]): string[] {
  const ids = others.map((id) => id.toLowerCase()).filter((id) => isUnique(id) && id !== own);
  return [...new Set(ids)].sort();
}

/**
 * The span that made a request, from its `traceparent`: a trace has many calls, a span of a client has one, so the
 * trace's id alone links nothing. '' for what is no W3C trace context.
 */
export function callingSpan(traceparent: string): string {
  const match = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}\b/i.exec(traceparent.trim());
  return match === null ? '' : spanId(String(match[1]), String(match[2]));
}

/** The identity of a span: its trace's id and its own, both hexadecimal. */
export function spanId(trace: string, span: string): string {
  return `${trace}-${span}`.toLowerCase();
}

function isUnique(id: string): boolean {
  return (
    /^(?:[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|[\da-f]{32}(?:-[\da-f]{16})?)$/.test(id) &&
    !/^[0-]+$/.test(id)
  );
}
