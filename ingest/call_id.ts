/**
 * What records of one call have in common. A correlation id that is unique in the world (a UUID, or 32 hexadecimal
 * digits as Kong and trace contexts have) stands alone, in lower case, so that a back end that was handed the id names
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

function isUnique(id: string): boolean {
  return /^(?:[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}|[\da-f]{32})$/.test(id) && !/^[0-]+$/.test(id);
}
