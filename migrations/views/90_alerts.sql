-- Alerts as people ask for them: one row per episode, as its last state of the window says. A viewer sees the alerts of
-- its own tenants. `evaluated_at` says up to when calls were looked at.
CREATE OR REPLACE VIEW alerts AS
SELECT
    e.alert_id AS alert_id,
    e.fingerprint AS fingerprint,
    e.rule AS rule,
    e.version AS version,
    r.title AS title,
    e.severity AS severity,
    multiIf(e.status = 'inactive' AND isNull(e.fired_at), 'dropped', e.status = 'inactive', 'resolved', toString(e.status)) AS status,
    isNotNull(e.unknown_since)::Bool AS no_data,
    isNotNull(e.held_until)::Bool AS flapping,
    e.labels AS labels,
    e.active_at AS active_at,
    e.fired_at AS fired_at,
    e.resolved_at AS resolved_at,
    e.started_at AS started_at,
    e.observed AS observed,
    e.expected AS expected,
    e.unit AS unit,
    e.score AS score,
    e.cost_per_hour AS cost_per_hour,
    e.affected AS affected,
    e.evidence AS evidence,
    e.confidence AS confidence,
    e.acknowledged_at AS acknowledged_at,
    e.acknowledged_by AS acknowledged_by,
    e.silenced_by AS silenced_by,
    e.notified AS notified,
    e.demoted AS demoted,
    e.contributors AS contributors,
    e.recent_changes AS recent_changes,
    f.verdict AS feedback,
    r.runbook AS runbook,
    e.evaluated_at AS evaluated_at
FROM
(
    SELECT *
    FROM alert_events
    WHERE kind = 'state' AND alert_id != ''
      AND (empty({alert_id:Array(String)}) OR has({alert_id:Array(String)}, alert_id))
      AND recorded_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND recorded_at < {to:DateTime64(3, 'UTC')}
      AND (has({visible_tenants:Array(String)}, '*') OR has({visible_tenants:Array(String)}, labels['tenant_id']))
      AND (empty({rule:Array(String)}) OR has({rule:Array(String)}, rule))
      AND (empty({tenant_id:Array(String)}) OR has({tenant_id:Array(String)}, labels['tenant_id']))
      AND (empty({deployment:Array(String)}) OR has({deployment:Array(String)}, labels['deployment']))
    ORDER BY tick DESC, position DESC
    LIMIT 1 BY alert_id
) AS e
LEFT JOIN (SELECT a.rule AS rule, argMax(a.title, a.version) AS title, argMax(a.runbook, a.version) AS runbook FROM alert_rules AS a GROUP BY a.rule) AS r ON r.rule = e.rule
LEFT JOIN (SELECT b.alert_id AS alert_id, argMax(b.verdict, b.written_at) AS verdict FROM alert_feedback AS b GROUP BY b.alert_id) AS f ON f.alert_id = e.alert_id
WHERE (empty({severity:Array(String)}) OR has({severity:Array(String)}, e.severity))
  AND (empty({status:Array(String)}) OR has({status:Array(String)}, multiIf(e.status = 'inactive' AND isNull(e.fired_at), 'dropped', e.status = 'inactive', 'resolved', toString(e.status))))
  AND (e.status != 'inactive' OR ifNull(e.resolved_at, e.recorded_at) >= {from:DateTime64(3, 'UTC')});
