import { expect, test } from 'vitest';
import { added, nabScore, probation, profiles, tallyOf, type Window } from '../backtest/nab.ts';

const windows: readonly Window[] = [
  [100, 109],
  [300, 309],
];

/** Of detections at some rows of one file, by profile: standard, low FP, low FN. */
function scores(...rows: readonly number[]): number[] {
  const tally = tallyOf(rows, windows, 0);
  return Object.values(profiles).map((profile) => nabScore(tally, profile));
}

test('who detects nothing scores 0, and who detects every window at its first row and nothing else 100', () => {
  expect(scores()).toEqual([0, 0, 0]);
  expect(scores(100, 300)).toEqual([100, 100, 100]);
  expect(tallyOf([], [], 0)).toEqual({ found: 0, wrong: 0, missed: 0, windows: 0 });
});

// Worked by hand: worth(y) = 2 / (1 + e^(5y)) - 1, and worth(-1) = 0.986614 is made 1.
test('a detection in a window is worth the more the earlier it is, and only the best of a window counts', () => {
  // The last of ten rows: y = -0.1, worth 0.244919, of the most 0.248242. One window is missed.
  expect(tallyOf([109], windows, 0).found).toBeCloseTo(0.248242, 5);
  // (0.248242 - 1 + 2) / 4, the same, and (0.248242 - 2 + 4) / 6.
  expect(scores(109)).toEqual([expect.closeTo(31.20605, 4), expect.closeTo(31.20605, 4), expect.closeTo(37.4707, 4)]);
  expect(scores(104, 109)).toEqual(scores(104));
  expect(scores(109, 104)).toEqual(scores(104));
});

test('a detection outside costs the more the further it is behind the last window, and all of it before the first', () => {
  // Row 110 is 1/9 of a window behind: worth -0.270847. Row 118 is one: -0.986614. Beyond three it is -1.
  expect(tallyOf([110], windows, 0).wrong).toBeCloseTo(0.270847, 5);
  expect(tallyOf([118], windows, 0).wrong).toBeCloseTo(0.986614, 5);
  expect(tallyOf([137], windows, 0).wrong).toBe(1);
  expect(tallyOf([99], windows, 0).wrong).toBe(1);
  // Every one counts: -0.11 of 4, -0.22 of 4, -0.11 of 6.
  expect(scores(99)).toEqual([expect.closeTo(-2.75, 9), expect.closeTo(-5.5, 9), expect.closeTo(-1.83333, 4)]);
  expect(tallyOf([20, 99], windows, 0).wrong).toBe(2);
});

test('nothing is scored in probation, which is 15 % of the rows and at most 750', () => {
  expect([probation(1_127), probation(4_032), probation(22_695)]).toEqual([169, 604, 750]);
  expect(tallyOf([20, 99], windows, 99)).toEqual({ found: 0, wrong: 1, missed: 2, windows: 2 });
});

test('files add up, windows weighing the same in whatever file they are', () => {
  const sum = added([tallyOf([100, 300], windows, 0), tallyOf([5], [[50, 59]], 0)]);
  expect(sum).toEqual({ found: 2, wrong: 1, missed: 1, windows: 3 });
  expect(nabScore(sum, profiles.standard)).toBeCloseTo((100 * (2 - 0.11 - 1 + 3)) / 6, 9);
});
