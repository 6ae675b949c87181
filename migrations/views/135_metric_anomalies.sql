-- What the platform metrics show at one instant.
CREATE OR REPLACE VIEW metric_anomalies AS
SELECT rule, version, labels, state, severity, started_at, observed, expected, unit, score, cost_per_hour, affected, evidence, confidence
FROM metric_findings(`from` = toStartOfMinute({at:DateTime64(3, 'UTC')}), `to` = toStartOfMinute({at:DateTime64(3, 'UTC')}));
