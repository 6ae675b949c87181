import { expect, test } from 'vitest';
import type { Action } from '../../alerts/message.ts';
import { keyOf, Outbox, pauseAfter, type Outcome } from '../../alerts/outbox.ts';
import { exampleMessage } from './message.ts';
import { fc, seeded } from './random.ts';
import { deliveryOf } from './stage.ts';

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const { receivers } = deliveryOf({
  receivers: [
    { name: 'first', channel: 'webhook', url: 'https://example.com', secret, fallback: 'second' },
    { name: 'second', channel: 'webhook', url: 'https://example.com', secret },
  ],
});
const hour = 3_600_000;

test('whatever receivers answer and when: in order, nothing after a trigger that was not taken, and in the end all is told or given up', () => {
  const answers = fc.infiniteStream(fc.constantFrom<Outcome>('delivered', 'retry', 'retry', 'dead'));
  const episodes = fc.array(fc.tuple(fc.constantFrom('a', 'b'), fc.boolean(), fc.integer({ min: 0, max: 600 })), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(
      answers,
      episodes,
      fc.array(fc.nat(4), { minLength: 20, maxLength: 20 }),
      (answer, episodes, crashes) => {
        const outbox = new Outbox(receivers);
        const taken: { receiver: string; episode: number; action: Action }[] = [];
        let now = 0;
        let crash = 0;
        const work = (): void => {
          const { due, skipped } = outbox.next(now);
          for (const one of skipped) {
            outbox.begin(one);
            outbox.end(one, { attempts: one.attempt, outcome: 'skipped', firstAt: now, lastAt: now, retryAt: now });
          }
          for (const one of due) {
            outbox.begin(one);
            const outcome = answer.next().value ?? 'delivered';
            // Not stored, as when the database is away: the attempt is made again.
            const lost = crashes[crash++ % crashes.length] === 0;
            if (outcome === 'delivered')
              taken.push({ receiver: one.receiver, episode: Number(one.notice.alertId), action: one.notice.action });
            const target = {
              attempts: one.attempt,
              outcome,
              firstAt: outbox.firstAt(one) ?? now,
              lastAt: now,
              retryAt: now + pauseAfter(one.attempt, () => 0.5),
            };
            outbox.end(one, lost ? null : target);
          }
        };
        for (const [episode, [fingerprint, acknowledged, seconds]] of episodes.entries()) {
          const actions: Action[] = acknowledged ? ['trigger', 'acknowledge', 'resolve'] : ['trigger', 'resolve'];
          for (const action of actions) {
            const alertId = String(episode);
            outbox.add({
              key: keyOf(alertId, action, 'first'),
              alertId,
              fingerprint,
              action,
              receiver: 'first',
              message: exampleMessage(),
            });
            work();
            now += seconds * 1_000;
          }
        }
        for (let rounds = 0; outbox.waiting > 0; rounds++) {
          expect(rounds).toBeLessThan(10_000);
          now += 60_000;
          work();
        }
        const rank = { trigger: 0, acknowledge: 1, resolve: 2 };
        for (const receiver of ['first', 'second']) {
          for (const fingerprint of ['a', 'b']) {
            const order = taken
              .filter((one) => one.receiver === receiver && episodes[one.episode]?.[0] === fingerprint)
              .map((one) => one.episode * 3 + rank[one.action]);
            expect(order).toEqual(order.toSorted((x, y) => x - y));
          }
          for (const one of taken.filter((one) => one.receiver === receiver && one.action !== 'trigger'))
            expect(
              taken.some(
                (other) => other.receiver === receiver && other.episode === one.episode && other.action === 'trigger',
              ),
            ).toBe(true);
        }
      },
    ),
    seeded('outbox', 2_000),
  );
});

test('a receiver that does not answer for five minutes is not waited for: its fallback is told too', () => {
  const outbox = new Outbox(receivers);
  const key = keyOf('1', 'trigger', 'first');
  outbox.add({ key, alertId: '1', fingerprint: 'a', action: 'trigger', receiver: 'first', message: exampleMessage() });
  const retry = (lastAt: number): void =>
    outbox.know(key, 'first', { attempts: 3, outcome: 'retry', firstAt: 0, lastAt, retryAt: lastAt + hour });
  retry(240_000);
  expect(outbox.next(240_000).due).toEqual([]);
  expect(outbox.next(300_000).due.map(({ receiver }) => receiver)).toEqual(['second']);
});
