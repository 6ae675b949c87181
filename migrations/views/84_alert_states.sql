-- The last state of every alert that is still of interest, for an evaluator that starts. States are written again at
-- least twice a day, so two days before the last tick have all of them.
CREATE OR REPLACE VIEW alert_states AS
SELECT
    tick, recorded_at, fingerprint, alert_id, rule, version, labels, severity, status, turns,
    active_at, pending_since, fired_at, keep_firing_since, resolved_at, unknown_since, held_until, recent_turns,
    acknowledged_at, acknowledged_by, silenced_by, notified, demoted, contributors, recent_changes,
    started_at, observed, expected, unit, score, cost_per_hour, affected, evidence, confidence
FROM alert_events
WHERE kind = 'state'
  AND recorded_at >= (SELECT max(recorded_at) - INTERVAL 2 DAY FROM alert_events WHERE kind = 'tick')
ORDER BY fingerprint, tick DESC, position DESC
LIMIT 1 BY fingerprint;
