import { pino, type Logger } from 'pino';

export type { Logger };

/** Secrets have these names wherever an object is logged; their values never reach a log line. */
const secrets = ['password', 'connectionString', 'connection_string', 'key', 'token', 'authorization', 'secret'];

/**
 * JSON lines on standard output. WARN: nothing is lost. ERROR: something is lost, or a person is needed.
 * A line's `event` is a short snake_case name that is also the label of its counter.
 */
export function createLog(program: string, level: string = 'info'): Logger {
  return pino({
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths: secrets.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
  });
}
