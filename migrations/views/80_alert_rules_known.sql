-- Each rule in the version that holds at an instant.
CREATE OR REPLACE VIEW alert_rules_known AS
SELECT
    rule,
    max(version) AS version,
    argMax(title, r.version) AS title,
    argMax(for_seconds, r.version) AS for_seconds,
    argMax(keep_firing_for_seconds, r.version) AS keep_firing_for_seconds,
    argMax(severity, r.version) AS severity,
    argMax(clock, r.version) AS clock,
    argMax(runbook, r.version) AS runbook
FROM alert_rules AS r
WHERE valid_from <= {at:DateTime64(3, 'UTC')}
GROUP BY rule;
