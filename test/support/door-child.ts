import { openDoor, type DoorOptions } from '../../local/door.ts';

// The engine in a process of its own, because one process can hold only one data directory. The options of the door
// come as JSON in the first argument; the port goes out as a JSON line; SIGTERM closes cleanly.
const door = await openDoor(JSON.parse(process.argv[2] ?? '') as DoorOptions);
process.stdout.write(`${JSON.stringify({ port: door.port })}\n`);
process.on('SIGTERM', () => {
  void door.close().then(() => process.exit(0));
});
