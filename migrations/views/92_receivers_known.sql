-- The receivers of the file that was read last.
CREATE OR REPLACE VIEW receivers_known AS
SELECT receiver, channel, fallback, read_at
FROM alert_receivers
WHERE read_at = (SELECT max(read_at) FROM alert_receivers);
