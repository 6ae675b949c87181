-- Each rule in the version that holds at an instant, with how long its condition must hold and how long it is kept, which
-- are parameters like any other of its detector.
CREATE OR REPLACE VIEW alert_rules_known AS
WITH (SELECT values FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS p
SELECT
    rule,
    max(version) AS version,
    argMax(title, r.version) AS title,
    toUInt32(p[concat(rule, '.for_seconds')]) AS for_seconds,
    toUInt32(p[concat(rule, '.keep_firing_for_seconds')]) AS keep_firing_for_seconds,
    argMax(severity, r.version) AS severity,
    argMax(clock, r.version) AS clock,
    argMax(runbook, r.version) AS runbook
FROM alert_rules AS r
WHERE valid_from <= {at:DateTime64(3, 'UTC')}
GROUP BY rule;
