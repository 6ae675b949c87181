-- Who wrote a tick, and how many rows of it there are: an insert is believed when it was read back.
CREATE OR REPLACE VIEW tick_rows AS
SELECT evaluator, count() AS rows
FROM alert_events
WHERE tick = {tick:UInt64} AND recorded_at >= {since:DateTime64(3, 'UTC')}
GROUP BY evaluator;
