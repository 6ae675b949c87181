import type { App } from '../route.ts';
import { servePage } from './page.ts';

/** What this is, with a key what each tenant spends, and the questions one can ask. */
export function landingRoute(app: App): void {
  servePage(app, '/', 'landing.html');
}
