const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const near = 0.05;

type Value = { readonly at: number; readonly value: number };

/** As the database has it: the value at the rank that is nearest below. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function width(values: readonly number[]): number {
  return values.length < 50 ? Number.NaN : Math.max(near * (quantile(values, 0.95) - quantile(values, 0.05)), 1e-9);
}

function rarity(value: number, values: readonly number[], within: number): number {
  if (Number.isNaN(within) || values.length < 50) return Number.NaN;
  return -Math.log10((1 + values.filter((one) => Math.abs(one - value) <= within).length) / (1 + values.length));
}

function isSameHour(a: number, b: number): boolean {
  const apart = Math.abs(Math.floor((a % dayMs) / hourMs) - Math.floor((b % dayMs) / hourMs));
  return Math.min(apart, 24 - apart) <= 1;
}

/** Rank in the tail of what was before, -log10; beyond all of it by how much more. */
function rank(values: readonly number[], index: number): number {
  const value = values[index] ?? Number.NaN;
  const before = values.slice(0, index).filter((one) => !Number.isNaN(one));
  if (Number.isNaN(value) || before.length < 30) return 0;
  const above = before.filter((one) => one >= value).length;
  const most = Math.max(...before);
  const beyond = above > 0 ? 0 : most > 0 ? Math.min(2, Math.log10(value / most)) : 1;
  return beyond - Math.log10((above + 1) / (before.length + 1));
}

/** The score of each value of a series shorter than 28 days, from its definition and by nothing but loops. */
export function scoresOf(series: readonly Value[]): number[] {
  const means = series.map((_, i) => {
    const last = series.slice(Math.max(0, i - 11), i + 1);
    return last.reduce((sum, { value }) => sum + value, 0) / last.length;
  });
  const ways = series.map(({ at, value }, i) => {
    const mean = means[i] ?? Number.NaN;
    const before = series.slice(0, i).map((one) => one.value);
    const days = series.filter((one) => one.at < Math.floor(at / dayMs) * dayMs).length;
    const [lowest, highest] = [Math.min(...before), Math.max(...before)];
    const hours = means.filter((_, j) => (series[j]?.at ?? at) < at - 3 * hourMs && isSameHour(series[j]?.at ?? 0, at));
    const usual = quantile(hours, 0.5);
    const spread = (quantile(hours, 0.75) - quantile(hours, 0.25)) / 1.349;
    return [
      i < 50 ? Number.NaN : Math.max(0, value - highest, lowest - value) / Math.max(highest - lowest, 1e-9),
      rarity(value, before, width(before.slice(0, days))),
      rarity(mean, means.slice(0, i), width(means.slice(0, days))),
      hours.length < 12 ? Number.NaN : Math.abs(mean - usual) / Math.max(spread, 0.02 * Math.abs(usual), 1e-9),
    ];
  });
  return series.map((_, i) =>
    [0, 1, 2, 3].reduce(
      (sum, way) =>
        sum +
        rank(
          ways.map((one) => one[way] ?? Number.NaN),
          i,
        ) /
          4,
      0,
    ),
  );
}
