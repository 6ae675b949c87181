import type { TokenCredential } from '@azure/identity';

export type Credential = TokenCredential;

/** Whoever this process is to Azure: variables, workload or managed identity, or a developer's login, in this order. */
export async function azureCredential(): Promise<Credential> {
  // Loaded only where it is used: it takes a second, and a connection string needs none of it.
  const { DefaultAzureCredential } = await import('@azure/identity');
  return new DefaultAzureCredential();
}
