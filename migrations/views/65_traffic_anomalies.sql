-- Spikes of requests, tokens and cost, bursts of failures and of refusals, slowness and silence, as they were found at
-- one instant: the view `traffic_findings` writes them, once for all who ask.
--
-- Where nobody has looked yet there is no data: then what was found last is told again as such, because a finding does
-- not end by nobody looking.
CREATE OR REPLACE VIEW traffic_anomalies AS
WITH
    toDateTime64(toStartOfMinute({at:DateTime64(3, 'UTC')}), 3, 'UTC') AS instant,
    (SELECT count() > 0 FROM measurements WHERE what = 'findings' AND through = instant) AS looked
SELECT toString(rule) AS rule, version, labels, if(looked, toString(state), 'no_data') AS state, toString(severity) AS severity, started_at, observed, expected,
       toString(unit) AS unit, score, cost_per_hour, affected, evidence, confidence
FROM detections
WHERE if(looked, evaluated_at = instant, evaluated_at >= instant - INTERVAL 1 HOUR AND evaluated_at < instant)
  AND rule IN ('request_spike', 'token_spike', 'cost_spike', 'error_burst', 'throttle_burst', 'latency', 'silence')
ORDER BY evaluated_at DESC
LIMIT 1 BY rule, labels;
