import { startHub } from '../../local/hub.ts';

/** A hub in a process of its own, which a test can kill: `hub-child.ts <directory> <port> <hub> <partitions>`. */
const [dataDirectory = '', port = '0', hub = 'gateway-logs', partitions = '4'] = process.argv.slice(2);
const started = await startHub({ dataDirectory, hub, port: Number(port), partitionCount: Number(partitions) });
process.stdout.write(`${JSON.stringify({ port: started.port, connectionString: started.connectionString })}\n`);
