import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '#common/log.ts';
import type { Delivery } from './hub-delivery.ts';
import { Readers } from './hub-epoch.ts';
import { PartitionLog, syncDirectory, writeWhole } from './hub-log.ts';

/** A hub: its partitions on disk, and who reads them. */
export type HubState = {
  readonly name: string;
  readonly createdAt: Date;
  readonly partitions: readonly PartitionLog[];
  readonly readers: Readers;
  readonly log: Logger | undefined;
  /** What is being sent to consumers now. */
  readonly deliveries: Set<Delivery>;
  /** A test hook: while true, consumers get nothing. */
  isPaused: boolean;
  /** Rises with each delivery from a producer that leaves the partition to the hub. */
  turn: number;
};

type Declaration = { readonly hub: string; readonly createdAt: string; readonly partitionCount: number };

/** Opens the hub of a directory, or creates it there. Rejects when the directory holds another hub. */
export async function openState(options: {
  readonly dataDirectory: string;
  readonly hub: string;
  readonly partitionCount: number;
  readonly log?: Logger | undefined;
}): Promise<HubState> {
  const { dataDirectory, hub, partitionCount, log } = options;
  await mkdir(dataDirectory, { recursive: true });
  const declared = await declare(dataDirectory, { hub, partitionCount });
  if (declared.hub !== hub || declared.partitionCount !== partitionCount)
    throw new Error(
      `${dataDirectory} holds the hub ${declared.hub} with ${declared.partitionCount} partitions, not ${hub} with ` +
        `${partitionCount}. Remedy: ask for that one, or delete the directory to lose its messages and start anew.`,
    );
  const directories = Array.from({ length: partitionCount }, (_, id) => join(dataDirectory, `partition-${id}`));
  const partitions = await Promise.all(directories.map((directory) => PartitionLog.open(directory, log)));
  await syncDirectory(dataDirectory);
  return {
    name: hub,
    createdAt: new Date(declared.createdAt),
    partitions,
    readers: new Readers(),
    log,
    deliveries: new Set(),
    isPaused: false,
    turn: 0,
  };
}

/** The partition with an id as clients write it; undefined when there is none. */
export function partitionOf(state: HubState, id: string): PartitionLog | undefined {
  return /^\d{1,4}$/u.test(id) ? state.partitions[Number(id)] : undefined;
}

async function declare(
  directory: string,
  wanted: { readonly hub: string; readonly partitionCount: number },
): Promise<Declaration> {
  const path = join(directory, 'hub.json');
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Declaration;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const declaration = { ...wanted, createdAt: new Date().toISOString() };
  await writeWhole(path, `${JSON.stringify(declaration)}\n`);
  return declaration;
}
