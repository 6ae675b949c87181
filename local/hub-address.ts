/** What a link's address names. */
export type Address =
  | { readonly kind: 'cbs' }
  | { readonly kind: 'management' }
  | { readonly kind: 'hub' }
  | { readonly kind: 'partition'; readonly partition: string }
  | { readonly kind: 'consumer'; readonly group: string; readonly partition: string }
  | { readonly kind: 'unknown' };

/** Reads an address such as `hub/ConsumerGroups/$Default/Partitions/0`. The service does not mind the case. */
export function parseAddress(address: string, hub: string): Address {
  const parts = address.split('/').filter((part) => part !== '');
  const [name, second, third, fourth, fifth] = parts.map((part) => part.toLowerCase());
  if (name === '$cbs') return { kind: 'cbs' };
  if (parts.at(-1)?.toLowerCase() === '$management') return { kind: 'management' };
  if (name !== hub.toLowerCase()) return { kind: 'unknown' };
  if (parts.length === 1) return { kind: 'hub' };
  if (parts.length === 3 && second === 'partitions' && third !== undefined)
    return { kind: 'partition', partition: third };
  const isConsumer = parts.length === 5 && second === 'consumergroups' && fourth === 'partitions';
  if (isConsumer && third !== undefined && fifth !== undefined)
    return { kind: 'consumer', group: third, partition: fifth };
  return { kind: 'unknown' };
}
