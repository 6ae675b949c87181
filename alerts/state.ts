/*
 * What becomes of one alert from one evaluation to the next. Without a guard and without missing data it is exactly
 * Prometheus' alerting rule with `for` and `keep_firing_for`; test/peers runs both side by side.
 */

/** What a detector says of a series: its condition holds, it does not, or nobody can know. */
export type Signal = 'firing' | 'clear' | 'no_data';

/** Of a rule, in milliseconds. */
export type Timing = { readonly forMs: number; readonly keepFiringForMs: number };

/** An alert that turns as often as `turns` within `withinMs` is held for `holdMs` after its last relapse. */
export type Guard = { readonly turns: number; readonly withinMs: number; readonly holdMs: number };

export const flapGuard: Guard = { turns: 3, withinMs: 3_600_000, holdMs: 1_800_000 };

/** Instants are milliseconds of the epoch, by the clock of the evaluations; null where there is none. */
export type AlertState = {
  readonly status: 'inactive' | 'pending' | 'firing';
  /** First evaluation at which the condition held. */
  readonly activeAt: number | null;
  /** The same, moved by the time without data, which counts for no clock. */
  readonly pendingSince: number | null;
  readonly firedAt: number | null;
  /** First evaluation at which the condition did not hold any more, moved likewise. */
  readonly keepFiringSince: number | null;
  readonly resolvedAt: number | null;
  /** First evaluation without data, while there is none. */
  readonly unknownSince: number | null;
  /** When it fired or resolved, as far back as the guard looks. */
  readonly turns: readonly number[];
  /** Until then a guarded alert does not resolve. */
  readonly heldUntil: number | null;
};

export const inactive: AlertState = {
  status: 'inactive',
  activeAt: null,
  pendingSince: null,
  firedAt: null,
  keepFiringSince: null,
  resolvedAt: null,
  unknownSince: null,
  turns: [],
  heldUntil: null,
};

export type Turn = 'pending' | 'dropped' | 'firing' | 'resolved' | 'data_lost' | 'data_back' | 'held';

export type Stepped = { readonly state: AlertState; readonly turns: readonly Turn[] };

/** One evaluation. `guard` null is Prometheus alone. Evaluations come in the order of their instants. */
export function step(
  before: AlertState,
  signal: Signal,
  at: number,
  timing: Timing,
  guard: Guard | null = flapGuard,
): Stepped {
  if (signal === 'no_data') {
    if (before.status === 'inactive' || before.unknownSince !== null) return { state: before, turns: [] };
    return { state: { ...before, unknownSince: at }, turns: ['data_lost'] };
  }
  const known = resume(before, at);
  const turns: Turn[] = before.unknownSince === null ? [] : ['data_back'];
  const next = signal === 'firing' ? holds(known, at, timing, guard) : clears(known, at, timing, guard);
  return { state: next.state, turns: [...turns, ...next.turns] };
}

/** Time without data counts neither for the condition nor against it. */
function resume(state: AlertState, at: number): AlertState {
  if (state.unknownSince === null) return state;
  const gap = at - state.unknownSince;
  return {
    ...state,
    unknownSince: null,
    pendingSince: state.pendingSince === null ? null : state.pendingSince + gap,
    keepFiringSince: state.keepFiringSince === null ? null : state.keepFiringSince + gap,
  };
}

function holds(state: AlertState, at: number, timing: Timing, guard: Guard | null): Stepped {
  if (state.status === 'firing') {
    if (state.keepFiringSince === null) return { state, turns: [] };
    // A relapse while it is held begins the hold anew: it is left when the series has calmed down.
    const heldUntil = state.heldUntil !== null && guard !== null ? at + guard.holdMs : state.heldUntil;
    return { state: { ...state, keepFiringSince: null, heldUntil }, turns: [] };
  }
  const begun: AlertState =
    state.status === 'pending'
      ? state
      : { ...inactive, turns: state.turns, status: 'pending', activeAt: at, pendingSince: at };
  const entered: Turn[] = state.status === 'pending' ? [] : ['pending'];
  if (at - (begun.pendingSince ?? at) < timing.forMs) return { state: begun, turns: entered };
  const turned = recent(begun.turns, at, guard);
  const held = guard !== null && turned.length >= guard.turns;
  return {
    state: { ...begun, status: 'firing', firedAt: at, turns: turned, heldUntil: held ? at + guard.holdMs : null },
    turns: [...entered, 'firing', ...(held ? (['held'] as const) : [])],
  };
}

function clears(state: AlertState, at: number, timing: Timing, guard: Guard | null): Stepped {
  if (state.status === 'inactive') return { state, turns: [] };
  if (state.status === 'pending') return { state: { ...inactive, turns: state.turns }, turns: ['dropped'] };
  const since = state.keepFiringSince ?? at;
  const kept = timing.keepFiringForMs > 0 && at - since < timing.keepFiringForMs;
  if (kept || (state.heldUntil !== null && at < state.heldUntil)) {
    return { state: { ...state, keepFiringSince: since }, turns: [] };
  }
  return {
    state: {
      ...state,
      status: 'inactive',
      resolvedAt: at,
      keepFiringSince: null,
      heldUntil: null,
      turns: recent(state.turns, at, guard),
    },
    turns: ['resolved'],
  };
}

/** This turn and those before it that the guard still looks at. */
function recent(turns: readonly number[], at: number, guard: Guard | null): readonly number[] {
  return guard === null ? [] : [...turns.filter((turn) => at - turn < guard.withinMs), at];
}
