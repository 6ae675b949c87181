-- Cold starts and what else made callers wait in [from, to), for whom one may see: an episode is visible to the tenants
-- whose consumers were among its callers, and names no other tenant. `verdict` is what people last said of it.
-- A consumer belongs to whom its rules say for when its callers waited, of those that apply then the one that began last.
CREATE OR REPLACE VIEW cold_start_answers AS
WITH
    rules AS
    (
        SELECT
            toString(consumer_id) AS consumer, valid_from,
            argMax((tenant_id, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS rule
        FROM attributions
        WHERE valid_from < {to:DateTime64(3, 'UTC')}
        GROUP BY consumer, product_id, api_id, valid_from
    ),
    (
        SELECT mapFromArrays(groupArray(consumer), groupArray(spans))
        FROM (SELECT consumer, arrayReverseSort(groupArray((valid_from, rule.2, rule.1))) AS spans FROM rules GROUP BY consumer)
    ) AS spans_of
SELECT
    concat(lower(hex(sipHash64(toString(e.deployment), toString(e.backend)))), '-', toString(toUnixTimestamp64Milli(e.started_at))) AS cold_start_id,
    toString(e.deployment) AS deployment, toString(e.backend) AS backend, toString(e.provider_name) AS provider_name, toString(e.region) AS region, toString(e.class) AS class,
    e.started_at AS started_at, e.ended_at AS ended_at, e.slow_calls + e.refused_calls AS calls_affected, e.slow_calls AS slow_calls, e.refused_calls AS refused_calls,
    e.added_seconds AS added_seconds, e.longest_seconds AS longest_seconds, e.confirmed AS confirmed,
    arraySort(arrayFilter(t -> has({visible_tenants:Array(String)}, '*') OR has({visible_tenants:Array(String)}, t),
        arrayDistinct(arrayMap(c -> if((arrayFirst(s -> s.1 <= e.started_at AND s.2 > e.started_at, spans_of[c]).3 AS tenant) = '', 'unattributed', tenant), e.consumers)))) AS tenants,
    e.evidence AS evidence, e.confidence AS confidence,
    toString(arrayLast(x -> concat(x.2, '-', toString(toUnixTimestamp64Milli(x.3))) = cold_start_id,
        (SELECT arraySort(groupArray((written_at, fingerprint, about_at, verdict))) FROM detection_feedback WHERE kind = 'cold_start')).4) AS verdict
FROM wait_episodes AS e FINAL
WHERE e.started_at >= {from:DateTime64(3, 'UTC')} AND e.started_at < {to:DateTime64(3, 'UTC')}
  AND (empty({deployment:Array(String)}) OR has({deployment:Array(String)}, e.deployment))
  AND (empty({class:Array(String)}) OR has({class:Array(String)}, e.class))
  AND (empty({class:Array(String)}) AND e.class != 'isolated_tail' OR notEmpty({class:Array(String)}))
  AND (empty({tenant_id:Array(String)}) OR hasAny(tenants, {tenant_id:Array(String)}))
  AND (has({visible_tenants:Array(String)}, '*') OR notEmpty(tenants));
