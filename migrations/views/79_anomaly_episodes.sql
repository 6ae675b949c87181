-- What was found in [from, to), one row per time that it lasted: findings of a series less than 15 minutes apart are one.
-- What was observed is what it was at its surest. A row belongs to the tenant that its labels name; what names none is
-- seen by those who see all.
-- What lasts was perhaps found before the window: a day is looked back for its beginning, which is in its id. `verdict` is
-- what people last said of it.
CREATE OR REPLACE VIEW anomaly_episodes AS
SELECT
    concat(lower(hex(sipHash64(d.rule, toString(d.labels)))), '-', toString(toUnixTimestamp(min(d.evaluated_at)))) AS anomaly_id,
    d.rule AS rule, d.labels AS labels, any(d.version) AS version, d.tenant_id AS tenant_id, d.deployment AS deployment,
    ['page', 'ticket', 'info'][min(indexOf(['page', 'ticket', 'info'], toString(d.severity)))] AS severity,
    min(d.started_at) AS started_at, max(d.evaluated_at) AS last_seen_at, count() AS times_seen,
    argMax(d.observed, d.score) AS observed, argMax(d.expected, d.score) AS expected, toString(any(d.unit)) AS unit, max(d.score) AS score,
    max(d.cost_per_hour) AS cost_per_hour, arraySlice(arraySort(groupUniqArrayArray(d.affected)), 1, 20) AS affected, argMax(d.evidence, d.score) AS evidence,
    max(d.confidence) AS confidence,
    toString(arrayLast(x -> startsWith(anomaly_id, x.2) AND x.3 >= min(d.evaluated_at) AND x.3 <= last_seen_at,
        (SELECT arraySort(groupArray((written_at, fingerprint, about_at, verdict))) FROM detection_feedback WHERE kind = 'anomaly')).4) AS verdict
FROM
(
    SELECT *, sum(evaluated_at > before + INTERVAL 15 MINUTE) OVER (PARTITION BY rule, labels ORDER BY evaluated_at ROWS UNBOUNDED PRECEDING) AS episode
    FROM
    (
        SELECT
            evaluated_at, toString(rule) AS rule, version, labels, labels['tenant_id'] AS tenant_id, labels['deployment'] AS deployment, severity, started_at, observed,
            expected, unit, score, cost_per_hour, affected, evidence, confidence,
            lagInFrame(evaluated_at, 1, evaluated_at) OVER (PARTITION BY rule, labels ORDER BY evaluated_at ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS before
        FROM detections FINAL
        WHERE evaluated_at > {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND evaluated_at <= {to:DateTime64(3, 'UTC')} AND state = 'firing'
          AND (has({visible_tenants:Array(String)}, '*') OR (labels['tenant_id'] != '' AND has({visible_tenants:Array(String)}, labels['tenant_id'])))
          AND (empty({tenant_id:Array(String)}) OR has({tenant_id:Array(String)}, labels['tenant_id']))
          AND (empty({rule:Array(String)}) OR has({rule:Array(String)}, rule))
    )
) AS d
GROUP BY d.rule, d.labels, d.tenant_id, d.deployment, d.episode
HAVING last_seen_at > {from:DateTime64(3, 'UTC')};
