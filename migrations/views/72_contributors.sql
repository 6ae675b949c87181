-- What explains that a series has more of a measure in [from, to) than was to be expected from a day and a week before:
-- values of one dimension or of two, the best three. Measures: calls, tokens, failed, throttled; and missing, calls that
-- did not come. `before` is what was expected of the part: of failures and refusals the series' usual share of the calls
-- that the part has now, because more calls are not more failures; of the others what those windows had on average.
--
-- A part explains a share of the difference, and it is pure where most of it is new. The largest part is often the wrong
-- answer, because it is large at all times: so the share counts as much as the part has grown (share times the logarithm
-- of now over then), and what explains less than half, or is less than half new, is no answer. Nor is what has grown
-- hardly more than all the rest: then it is broad, and the largest part is only the largest. The only caller is named.
-- Which error it was is told after who had it: an error explains its own failures always.
CREATE OR REPLACE VIEW contributors AS
WITH
    {measure:String} IN ('failed', 'throttled') AS of_calls,
    {measure:String} = 'missing' AS fallen,
    windows AS
    (
        SELECT
            if(started_at >= {from:DateTime64(3, 'UTC')}, 0, if(started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY, 1, 2)) AS place,
            consumer_id, product_id, response_model, region, api_id, backend, error_type, deployment, http_response_status_code,
            usage_input_tokens, usage_cache_read_input_tokens, usage_output_tokens, usage_reasoning_output_tokens
        FROM attributed_calls(
            `from` = {from:DateTime64(3, 'UTC')} - INTERVAL 7 DAY, `to` = {to:DateTime64(3, 'UTC')}, `step` = '', `tz` = 'UTC',
            `as_known_at` = '2299-12-31 23:59:59.999', `visible_tenants` = ['*'], `tenant_id` = [{tenant_id:String}],
            `consumer_id` = [], `product_id` = [], `api_id` = [], `operation_name` = [], `provider_name` = [], `response_model` = [], `deployment` = [],
            `backend` = [], `region` = [], `source` = [], `service_tier` = [], `user_id` = [], `cache_status` = [], `attempts` = [], `model_version` = [],
            `routing_label` = [], `moderation_outcome` = [], `moderation_category` = [], `moderation_severity` = [], `throttled_by` = [])
        WHERE started_at >= {from:DateTime64(3, 'UTC')}
           OR (started_at >= {from:DateTime64(3, 'UTC')} - INTERVAL 1 DAY AND started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 1 DAY)
           OR started_at < {to:DateTime64(3, 'UTC')} - INTERVAL 7 DAY
    ),
    measured AS
    (
        SELECT
            place = 0 AS is_now, place,
            toString(consumer_id) AS consumer_id, toString(product_id) AS product_id, toString(response_model) AS response_model, toString(region) AS region,
            toString(api_id) AS api_id, toString(backend) AS backend, toString(error_type) AS error_type,
            toFloat64(multiIf(
                {measure:String} = 'failed', ifNull(http_response_status_code >= 400 AND http_response_status_code != 429, 0),
                {measure:String} = 'throttled', ifNull(http_response_status_code = 429, 0),
                {measure:String} = 'tokens', ifNull(usage_input_tokens, 0) + ifNull(usage_cache_read_input_tokens, 0) + ifNull(usage_output_tokens, 0) + ifNull(usage_reasoning_output_tokens, 0),
                1)) AS amount
        FROM windows
        WHERE arrayFirst(name -> name != '', [toString(deployment), toString(response_model), toString(backend), toString(api_id)]) = {deployment:String}
    ),
    parts AS
    (
        SELECT
            (grouping(consumer_id) = 0, 'consumer_id', consumer_id) AS consumer_id_part,
            (grouping(product_id) = 0, 'product_id', product_id) AS product_id_part,
            (grouping(response_model) = 0, 'response_model', response_model) AS response_model_part,
            (grouping(region) = 0, 'region', region) AS region_part,
            (grouping(api_id) = 0, 'api_id', api_id) AS api_id_part,
            (grouping(backend) = 0, 'backend', backend) AS backend_part,
            (grouping(error_type) = 0, 'error_type', error_type) AS error_type_part,
            arrayFilter(x -> x.1, [consumer_id_part, product_id_part, response_model_part, region_part, api_id_part, backend_part, error_type_part]) AS named,
            toFloat64(countIf(is_now)) AS calls_now, toFloat64(countIf(NOT is_now)) AS calls_before,
            sumIf(amount, is_now) AS now, sumIf(amount, NOT is_now) AS earlier, uniqExactIf(place, NOT is_now) AS places
        FROM measured
        GROUP BY GROUPING SETS ((), (consumer_id), (product_id), (response_model), (region), (api_id), (backend), (error_type), (consumer_id, product_id), (consumer_id, response_model), (consumer_id, region), (consumer_id, api_id), (consumer_id, backend), (product_id, response_model), (product_id, region), (product_id, api_id), (product_id, backend), (response_model, region), (response_model, api_id), (response_model, backend), (region, api_id), (region, backend), (api_id, backend))
    ),
    compared AS
    (
        SELECT
            *,
            maxIf(calls_now, empty(named)) OVER () AS all_now, maxIf(calls_before, empty(named)) OVER () AS all_before,
            maxIf(now, empty(named)) OVER () AS total_now, maxIf(earlier, empty(named)) OVER () AS total_earlier,
            -- Of the two earlier windows those in which the series had calls.
            greatest(1, maxIf(places, empty(named)) OVER ()) AS known,
            (total_earlier + 0.5) / (all_before + 100) AS usual_share,
            if(of_calls, usual_share * calls_now, earlier / known) AS before,
            if(of_calls, usual_share * all_now, total_earlier / known) AS total_before,
            if(of_calls, usual_share * (all_now - calls_now), total_before - before) AS rest_before,
            if(fallen, before - now, now - before) / if(fallen, total_before - total_now, total_now - total_before) AS share,
            if(fallen, (before - now) / before, (now - before) / now) AS purity,
            -- A hundredth of the whole on both sides, so that what is small on both sides has not grown.
            if(fallen, (before + 0.01 * total_before) / (now + 0.01 * total_before), (now + 0.01 * total_now) / (before + 0.01 * total_before + 0.000001)) AS growth,
            if(fallen, (rest_before + 0.01 * total_before) / (total_now - now + 0.01 * total_before),
                (total_now - now + 0.01 * total_now) / (rest_before + 0.01 * total_before + 0.000001)) AS rest_growth
        FROM parts
    )
SELECT
    mapFromArrays(arrayMap(x -> x.2, named), arrayMap(x -> x.3, named)) AS contributor, now, before, share, purity, share * log(growth) AS score
FROM compared
WHERE notEmpty(named) AND if(fallen, total_before > total_now AND before > now, total_now > total_before AND now > before) AND share >= 0.5 AND purity >= 0.5
  AND arrayAll(x -> x.3 != '', named) AND NOT (error_type_part.1 AND {measure:String} = 'throttled')
  AND (growth >= 1.5 * rest_growth OR error_type_part.1 OR (consumer_id_part.1 AND length(named) = 1 AND calls_now = all_now AND calls_before = all_before))
ORDER BY error_type_part.1, score DESC, length(named)
LIMIT 3;
