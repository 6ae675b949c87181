import type { App } from '../route.ts';
import { servePage } from './page.ts';

/** Where the links of an alert lead: what it says, what happened to it, acknowledging and silencing. */
export function alertsPage(app: App): void {
  servePage(app, '/alerts', 'alerts.html');
}
