import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
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

/** No process of a data directory is left. */
export async function allEnded(dataDirectory: string): Promise<void> {
  await untilTrue('every process of the stack has ended', () =>
    commands().every((text) => !text.includes(dataDirectory)),
  );
}

function commands(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8');
      } catch {
        // It ended meanwhile.
        return '';
      }
    });
}
