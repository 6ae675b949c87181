import { once } from 'node:events';
import rhea, { type Connection } from 'rhea';
import { onTestFinished } from 'vitest';

/** A connection to a local hub without the Event Hubs client, for what that never does; closed after the test. */
export async function connectRaw(port: number): Promise<Connection> {
  const container = rhea.create_container();
  const connection = container.connect({ host: '127.0.0.1', port, username: 'raw', reconnect: false });
  connection.on('disconnected', () => undefined);
  onTestFinished(() => connection.close());
  await once(connection, 'connection_open');
  return connection;
}
