-- The calls of a half-open window [from, to), each with the tenant that pays: the base of every question.
--
-- Empty filter arrays mean all. `visible_tenants` is who asks, not what is asked: ['*'] sees all, [] sees nothing, so a
-- route that forgets it cannot leak. `step` is an ISO 8601 duration of the declared set or '' for one bucket; day and
-- month borders are those of `tz`.
--
-- Who pays: the rules as known at `as_known_at` that apply when the call started. One that names the consumer goes before
-- one that does not, then one that names the API, then one that names the product, then the one that began last. A call
-- without a rule belongs to `unattributed` and stays in every total. Claims and headers of a request are not in the
-- logs, so no rule can name them.
-- Why spans: between two borders of a consumer's rules nothing changes, so a call needs one look-up by its consumer and
-- time. Rules for any consumer stand in every consumer's spans, and under '' for those that no rule names.
CREATE OR REPLACE VIEW attributed_calls AS
WITH
    rules AS
    (
        SELECT consumer_id, product_id, api_id, valid_from,
               argMax((tenant_id, cost_center, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS rule
        FROM attributions
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY consumer_id, product_id, api_id, valid_from
    ),
    owned AS
    (
        SELECT m.consumer AS consumer, groupArray((r.consumer_id != '', r.api_id != '', r.product_id != '', r.valid_from, r.rule.3, r.api_id, r.product_id, r.rule.1, r.rule.2)) AS own
        FROM rules AS r
        -- A rule for any consumer is one of each; joined, because an array of all consumers would stand in every row.
        INNER JOIN (SELECT DISTINCT arrayJoin(['', consumer_id]) AS named, consumer_id AS consumer FROM attributions) AS m ON m.named = r.consumer_id
        GROUP BY m.consumer
    ),
    spans AS
    (
        SELECT consumer, since,
               arrayMap(x -> (x.6, x.7, x.8, x.9), arrayReverseSort(arrayFilter(x -> x.4 <= since AND x.5 > since, own))) AS candidates
        FROM owned
        ARRAY JOIN arrayDistinct(arrayConcat(own.4, own.5)) AS since
    ),
    arrayFirst(x -> (x.1 = '' OR x.1 = c.api_id) AND (x.2 = '' OR x.2 = c.product_id), r.candidates) AS rule
SELECT
    c.*,
    if(rule.3 = '', 'unattributed', rule.3) AS tenant_id,
    rule.4 AS cost_center,
    toDateTime(multiIf(
        {step:String} = 'PT1M', toStartOfMinute(c.started_at),
        {step:String} = 'PT5M', toStartOfFiveMinutes(c.started_at),
        {step:String} = 'PT1H', toTimeZone(toStartOfHour(toTimeZone(c.started_at, {tz:String})), 'UTC'),
        {step:String} = 'P1D', toTimeZone(toDateTime(toStartOfDay(toTimeZone(c.started_at, {tz:String})), {tz:String}), 'UTC'),
        {step:String} = 'P1M', toTimeZone(toDateTime(toStartOfMonth(toTimeZone(c.started_at, {tz:String})), {tz:String}), 'UTC'),
        toDateTime({from:DateTime64(3, 'UTC')}, 'UTC')), 'UTC') AS bucket
FROM
(
    SELECT * EXCEPT (version, is_deleted) FROM calls FINAL
    WHERE started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')}
      AND (empty({consumer_id:Array(String)}) OR has({consumer_id:Array(String)}, consumer_id))
      AND (empty({product_id:Array(String)}) OR has({product_id:Array(String)}, product_id))
      AND (empty({api_id:Array(String)}) OR has({api_id:Array(String)}, api_id))
      AND (empty({operation_name:Array(String)}) OR has({operation_name:Array(String)}, operation_name))
      AND (empty({provider_name:Array(String)}) OR has({provider_name:Array(String)}, provider_name))
      AND (empty({response_model:Array(String)}) OR has({response_model:Array(String)}, response_model))
      AND (empty({deployment:Array(String)}) OR has({deployment:Array(String)}, deployment))
      AND (empty({backend:Array(String)}) OR has({backend:Array(String)}, backend))
      AND (empty({region:Array(String)}) OR has({region:Array(String)}, region))
      AND (empty({source:Array(String)}) OR has({source:Array(String)}, source))
      AND (empty({service_tier:Array(String)}) OR has({service_tier:Array(String)}, service_tier))
      AND (empty({user_id:Array(String)}) OR has({user_id:Array(String)}, user_id))
      AND (empty({cache_status:Array(String)}) OR has({cache_status:Array(String)}, cache_status))
      AND (empty({attempts:Array(String)}) OR has({attempts:Array(String)}, ifNull(toString(attempts), '')))
      AND (empty({model_version:Array(String)}) OR has({model_version:Array(String)}, model_version))
      AND (empty({routing_label:Array(String)}) OR has({routing_label:Array(String)}, routing_label))
      AND (empty({moderation_outcome:Array(String)}) OR has({moderation_outcome:Array(String)}, moderation_outcome))
      AND (empty({moderation_category:Array(String)}) OR has({moderation_category:Array(String)}, moderation_category))
      AND (empty({moderation_severity:Array(String)}) OR has({moderation_severity:Array(String)}, moderation_severity))
      AND (empty({throttled_by:Array(String)}) OR has({throttled_by:Array(String)}, throttled_by))
) AS c
ASOF LEFT JOIN spans AS r ON r.consumer = if(c.consumer_id IN (SELECT consumer_id FROM attributions), c.consumer_id, '') AND c.started_at >= r.since
WHERE (empty({tenant_id:Array(String)}) OR has({tenant_id:Array(String)}, tenant_id))
  AND (has({visible_tenants:Array(String)}, '*') OR has({visible_tenants:Array(String)}, tenant_id));
