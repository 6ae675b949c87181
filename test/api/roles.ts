import { books } from '../../api/book.ts';
import { alertIds } from '../alerts/line.ts';

type Role = 'viewer' | 'finance' | 'on_call' | 'admin' | 'intake';

/** What was found to be wrong: of a window and a tenant, and not grouped by anything. */
export const found = ['alerts', 'anomalies', 'cold-starts'];
const handled = ['alert-routes', 'silences', 'deliveries', 'detection-calendar', 'detector-parameters'];

/** Who may ask which question: every route behind a key. */
export const allowed: Readonly<Record<string, readonly Role[]>> = {
  '/v1/usage': ['viewer', 'finance', 'on_call', 'admin'],
  '/v1/spend': ['viewer', 'finance', 'on_call', 'admin'],
  '/v1/latency': ['viewer', 'finance', 'on_call', 'admin'],
  '/v1/errors': ['viewer', 'finance', 'on_call', 'admin'],
  '/v1/calls': ['viewer', 'on_call', 'admin'],
  '/v1/calls/gw%2Fours': ['viewer', 'on_call', 'admin'],
  '/v1/pipeline': ['on_call', 'admin'],
  '/v1/rejected': ['on_call', 'admin'],
  ...Object.fromEntries(found.map((name) => [`/v1/${name}`, ['viewer', 'on_call', 'admin'] as const])),
  [`/v1/alerts/${alertIds.ours}`]: ['viewer', 'on_call', 'admin'],
  ...Object.fromEntries(handled.map((name) => [`/v1/${name}`, ['on_call', 'admin'] as const])),
  '/v1/spend/rerated': ['finance', 'admin'],
  '/v1/commitments/allocated': ['viewer', 'finance', 'admin'],
  '/v1/chargeback/2020-01': ['finance', 'admin'],
  '/v1/chargeback/2020-01/corrections': ['finance', 'admin'],
  '/v1/budgets/status': ['viewer', 'finance', 'on_call', 'admin'],
  '/v1/chargeback/2020-01/reconciliation': ['finance', 'admin'],
  ...Object.fromEntries(books.map((book) => [`/v1/${book.name}`, ['finance', 'admin'] as const])),
};

/** What a question cannot do without. */
export const needed: Readonly<Record<string, string>> = {
  '/v1/spend/rerated': '?known_from=2026-06-01T00:00:00Z',
  '/v1/commitments/allocated': '?month=2026-06',
  '/v1/budgets/status': '?month=2026-06',
};
