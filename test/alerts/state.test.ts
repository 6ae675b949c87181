import { expect, test } from 'vitest';
import { type AlertState, flapGuard, inactive, type Signal, step, type Timing, type Turn } from '../../alerts/state.ts';
import { fc, seeded } from './random.ts';

const minute = 60_000;

/** The machine over a series of one signal per minute: the state after each, and all turns. */
function run(
  signals: readonly Signal[],
  timing: Timing,
  guard: typeof flapGuard | null,
): { states: AlertState[]; turns: Turn[] } {
  const states: AlertState[] = [];
  const turns: Turn[] = [];
  let state = inactive;
  for (const [index, signal] of signals.entries()) {
    const next = step(state, signal, index * minute, timing, guard);
    state = next.state;
    states.push(state);
    turns.push(...next.turns);
  }
  return { states, turns };
}

/**
 * The same question asked of the whole series at once instead of step by step: an alert pends from a rise on, fires
 * where the condition has held since for long enough, and ends at the first instant whose run of clear ones is long
 * enough. Evaluations without data are taken out, and time is counted in the ones that are left.
 */
function statusesOf(signals: readonly Signal[], { forMs, keepFiringForMs }: Timing): AlertState['status'][] {
  const known = signals.flatMap((signal) => (signal === 'no_data' ? [] : [signal === 'firing']));
  const statuses: AlertState['status'][] = known.map(() => 'inactive');
  const hold = Math.ceil(forMs / minute);
  const keep = Math.ceil(keepFiringForMs / minute);
  for (let rise = known.indexOf(true); rise !== -1;) {
    const fall = known.indexOf(false, rise);
    const firstClear = fall === -1 ? known.length : fall;
    if (firstClear - rise <= hold) {
      statuses.fill('pending', rise, firstClear);
      rise = known.indexOf(true, firstClear);
      continue;
    }
    statuses.fill('pending', rise, rise + hold);
    let end = firstClear;
    while (end < known.length) {
      const relapse = known.indexOf(true, end);
      if (relapse === -1 || relapse - end > keep) {
        end += keep;
        break;
      }
      const next = known.indexOf(false, relapse);
      end = next === -1 ? known.length : next;
    }
    statuses.fill('firing', rise + hold, Math.min(end, known.length));
    rise = end >= known.length ? -1 : known.indexOf(true, end);
  }
  // What the last known evaluation left stands while there is no data.
  let index = -1;
  return signals.map((signal) => statuses[signal === 'no_data' ? index : ++index] ?? 'inactive');
}

/** What on-call hears of. */
function told(turns: readonly Turn[]): number {
  return turns.filter((turn) => turn === 'firing' || turn === 'resolved').length;
}

const series = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.constant<Signal>('firing') },
    { weight: 5, arbitrary: fc.constant<Signal>('clear') },
    { weight: 1, arbitrary: fc.constant<Signal>('no_data') },
  ),
  { minLength: 1, maxLength: 90 },
);
const timing = fc.record({
  forMs: fc.integer({ min: 0, max: 6 * 60 }).map((seconds) => seconds * 1_000),
  keepFiringForMs: fc.integer({ min: 0, max: 6 * 60 }).map((seconds) => seconds * 1_000),
});

test('stepwise and looked at as a whole, a series has the same states, whatever is missing of it', () => {
  fc.assert(
    fc.property(series, timing, (signals, times) => {
      expect(run(signals, times, null).states.map((state) => state.status)).toEqual(statusesOf(signals, times));
    }),
    seeded('state machine', 5_000),
  );
});

test('missing data neither resolves an alert nor lets it fire, for as long as it is missing', () => {
  const timing = { forMs: 3 * minute, keepFiringForMs: 2 * minute };
  const gone = Array.from({ length: 500 }, (): Signal => 'no_data');
  const firing = run(['firing', 'firing', 'firing', 'firing', 'clear', ...gone], timing, flapGuard);
  expect(firing.states.at(-1)?.status).toBe('firing');
  expect(firing.states.at(-1)?.unknownSince).toBe(5 * minute);
  expect(run(['firing', 'firing', ...gone], timing, flapGuard).states.at(-1)?.status).toBe('pending');
  // One more clear minute is the second that is known.
  const back = run(['firing', 'firing', 'firing', 'firing', 'clear', ...gone, 'clear', 'clear'], timing, flapGuard);
  expect(back.states.map((state) => state.status).slice(-2)).toEqual(['firing', 'inactive']);
  expect(back.turns).toEqual(['pending', 'firing', 'data_lost', 'data_back', 'resolved']);
});

test('the guard changes nothing but that it resolves later: each firing of the rule alone is within one of the guarded', () => {
  fc.assert(
    fc.property(series, timing, (signals, times) => {
      const alone = run(signals, times, null);
      const guarded = run(signals, times, flapGuard);
      for (const [index, state] of alone.states.entries()) {
        if (state.status === 'firing') expect(guarded.states[index]?.status).toBe('firing');
      }
      expect(told(guarded.turns)).toBeLessThanOrEqual(told(alone.turns));
    }),
    seeded('flap guard', 5_000),
  );
});

test('a signal that turns every minute is told three times in an hour at most, and held until it is calm', () => {
  const flapping = Array.from({ length: 60 }, (_, index): Signal => (index % 2 === 0 ? 'firing' : 'clear'));
  const calm = Array.from({ length: 40 }, (): Signal => 'clear');
  const { turns, states } = run([...flapping, ...calm], { forMs: 0, keepFiringForMs: 0 }, flapGuard);
  expect(turns).toEqual(['pending', 'firing', 'resolved', 'pending', 'firing', 'held', 'resolved']);
  // Held for half an hour after the last relapse, which was in minute 58.
  expect(states.findLastIndex((state) => state.status === 'firing')).toBe(58 + 29);
});
