import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { untilTrue } from '../support/stack-until.ts';

const main = fileURLToPath(new URL('../../local/main.ts', import.meta.url));

/** `npm start` as a user runs it, in a process of its own with its output at hand. */
export class Demonstration {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  output = '';

  constructor(dataDirectory: string, args: readonly string[] = []) {
    const all = [main, '--port', '0', '--hub-port', '0', '--data', dataDirectory, ...args];
    this.#child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    const read = (chunk: Buffer): void => void (this.output += chunk.toString());
    this.#child.stdout?.on('data', read);
    this.#child.stderr?.on('data', read);
    this.#exited = once(this.#child, 'close');
    onTestFinished(async () => {
      this.#child.kill('SIGKILL');
      await this.#exited;
      await allEnded(dataDirectory);
    });
  }

  /** Resolves when the output has this text; rejects when the program ends before. */
  async said(text: string): Promise<void> {
    await untilTrue(
      `the output has "${text}"`,
      () => {
        if (this.output.includes(text)) return true;
        if (this.#child.exitCode !== null) return true;
        return false;
      },
      90_000,
    );
    if (!this.output.includes(text)) throw new Error(`ended with ${this.#child.exitCode}:\n${this.output}`);
  }

  /** The exit code after a signal, or without one after the program has ended by itself. */
  async end(signal?: NodeJS.Signals): Promise<number | null> {
    if (signal !== undefined) this.#child.kill(signal);
    await this.#exited;
    return this.#child.exitCode;
  }

  /** Kills one of its processes, as the system does that needs memory. */
  killRole(role: string): void {
    const pids = processes().filter(
      ({ command, parent }) => parent === this.#child.pid && command.split('\0').includes(role),
    );
    for (const { pid } of pids) process.kill(pid, 'SIGKILL');
  }

  /** What follows a word at the start of a line. */
  line(word: string): string {
    const found = this.output.split('\n').find((text) => text.trimStart().startsWith(word));
    if (found === undefined) throw new Error(`no line with ${word}:\n${this.output}`);
    return found.trim().slice(word.length).trim();
  }

  /** The printed totals, as texts. */
  totals(): Record<string, string> {
    const words = ['calls ', 'input tokens', 'output tokens', 'list cost'];
    return Object.fromEntries(words.map((word) => [word.trim(), this.line(word)]));
  }
}

/** No process of a data directory is left: neither those that name it, nor those that log into it. */
export async function allEnded(dataDirectory: string): Promise<void> {
  await untilTrue('every process of the stack has ended', () =>
    processes().every(({ command, output }) => !command.includes(dataDirectory) && !output.startsWith(dataDirectory)),
  );
}

type Process = {
  readonly pid: number;
  readonly parent: number;
  /** Its arguments, each with a NUL behind it. */
  readonly command: string;
  /** The file that it writes to. */
  readonly output: string;
};

function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8');
        // The name in parentheses may hold spaces; after it come the state and the parent.
        const [, parent] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
        return [{ pid: Number(name), parent: Number(parent), command, output: readlinkSync(`/proc/${name}/fd/1`) }];
      } catch {
        // It ended meanwhile, or is another user's.
        return [];
      }
    });
}
