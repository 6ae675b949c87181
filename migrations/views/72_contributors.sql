-- What explains that a series has more of a measure in [from, to) than it had a day and a week before: values of one
-- dimension or of two, the best three.
--
-- A part explains a share of the difference, and it is pure where most of it is new. The largest part is often the wrong
-- answer, because it is large at all times: so the share counts as much as the part has grown (share times the logarithm
-- of now over then), and what explains less than half, or is less than half new, is no answer.
CREATE OR REPLACE VIEW contributors AS
WITH
    measured AS
    (
        SELECT
            toString(c.consumer_id) AS consumer_id, toString(c.response_model) AS response_model, toString(c.region) AS region, toString(c.api_id) AS api_id,
            toString(c.backend) AS backend, toString(c.error_type) AS error_type,
            toFloat64(multiIf(
                {measure:String} = 'failed', ifNull(c.http_response_status_code >= 400 AND c.http_response_status_code != 429, 0),
                {measure:String} = 'throttled', ifNull(c.http_response_status_code = 429, 0),
                {measure:String} = 'tokens', ifNull(c.usage_input_tokens, 0) + ifNull(c.usage_cache_read_input_tokens, 0) + ifNull(c.usage_output_tokens, 0) + ifNull(c.usage_reasoning_output_tokens, 0),
                1)) AS amount,
            c.started_at >= {from:DateTime64(3, 'UTC')} AS is_now
        FROM
        (
            SELECT * FROM calls FINAL
            WHERE ((started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')})
                OR (started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 1 DAY)
                OR (started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 7 DAY AND started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 7 DAY))
              AND arrayFirst(name -> name != '', [toString(deployment), toString(response_model), toString(backend), toString(api_id)]) = {deployment:String}
        ) AS c
        ASOF LEFT JOIN
        (
            SELECT consumer_id, valid_from, argMax((tenant_id, valid_to), known_from) AS rule FROM attributions GROUP BY consumer_id, valid_from
        ) AS r ON r.consumer_id = c.consumer_id AND c.started_at >= r.valid_from
        WHERE if(notEmpty(r.consumer_id) AND c.started_at < ifNull(r.rule.2, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')), r.rule.1, 'unattributed') = {tenant_id:String}
    ),
    -- Of the two earlier windows those that have calls.
    (SELECT (sumIf(amount, is_now), sumIf(amount, NOT is_now)) FROM measured) AS totals,
    (SELECT greatest(1, (countIf(started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY) > 0) + (countIf(started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 7 DAY) > 0))
     FROM calls
     WHERE (started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 1 DAY)
        OR (started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 7 DAY AND started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 7 DAY)) AS windows,
    assumeNotNull(totals.1) AS total_now, assumeNotNull(totals.2) / assumeNotNull(windows) AS total_before,
    parts AS
    (
        SELECT
            (grouping(consumer_id) = 0, 'consumer_id', consumer_id) AS consumer_id_part,
            (grouping(response_model) = 0, 'response_model', response_model) AS response_model_part,
            (grouping(region) = 0, 'region', region) AS region_part,
            (grouping(api_id) = 0, 'api_id', api_id) AS api_id_part,
            (grouping(backend) = 0, 'backend', backend) AS backend_part,
            (grouping(error_type) = 0, 'error_type', error_type) AS error_type_part,
            sumIf(amount, is_now) AS now, sumIf(amount, NOT is_now) / assumeNotNull(windows) AS before
        FROM measured
        GROUP BY GROUPING SETS ((consumer_id), (response_model), (region), (api_id), (backend), (error_type), (consumer_id, response_model), (consumer_id, region), (consumer_id, api_id), (consumer_id, backend), (consumer_id, error_type), (response_model, region), (response_model, api_id), (response_model, backend), (response_model, error_type), (region, api_id), (region, backend), (region, error_type), (api_id, backend), (api_id, error_type), (backend, error_type))
    )
SELECT
    mapFromArrays(arrayMap(x -> x.2, named), arrayMap(x -> x.3, named)) AS contributor, now, before,
    (now - before) / (total_now - total_before) AS share, (now - before) / now AS purity,
    share * log((now + 0.01 * total_now) / (before + 0.01 * total_before + 0.000001)) AS score
FROM
(
    SELECT *, arrayFilter(x -> x.1, [consumer_id_part, response_model_part, region_part, api_id_part, backend_part, error_type_part]) AS named FROM parts
)
WHERE total_now > total_before AND now > before AND share >= 0.5 AND purity >= 0.5 AND arrayAll(x -> x.3 != '', named)
ORDER BY score DESC, length(named)
LIMIT 3;
