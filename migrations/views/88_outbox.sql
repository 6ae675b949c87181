-- What was to be told in the last 30 days, and may not have been delivered: with `deliveries`, what is still to do.
CREATE OR REPLACE VIEW outbox AS
SELECT tick, position, recorded_at, notification_key, alert_id, fingerprint, rule, action, receiver, message
FROM alert_events
WHERE kind = 'notification' AND recorded_at >= now64(3) - INTERVAL 30 DAY;
