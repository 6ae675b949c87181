-- Spend that nobody can be billed for, in the hour before an instant.
--
-- unpriced_model      tokens of a model that no price list names: their cost is unknown, not zero
-- unattributed_spend  calls of consumers that no rule gives to a tenant
CREATE OR REPLACE VIEW money_gaps AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    last_hour AS
    (
        SELECT * FROM traffic_minutes FINAL
        WHERE minute >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND minute < toStartOfMinute({at:DateTime64(3, 'UTC')})
    )
SELECT
    'unpriced_model' AS rule, toUInt32(v.2['unpriced_model']) AS version,
    map('model', toString(model), 'provider_name', toString(provider_name)) AS labels, 'firing' AS state, 'ticket' AS severity,
    toDateTime64(min(minute), 3, 'UTC') AS started_at, toFloat64(sum(unpriced_tokens)) AS observed, 0. AS expected, 'tokens without a price' AS unit,
    toFloat64(sum(unpriced_tokens)) AS score, CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour,
    arraySlice(arraySort(groupUniqArray(toString(tenant_id))), 1, 20) AS affected,
    toJSONString(map('deployments', arrayStringConcat(arraySlice(groupUniqArray(toString(deployment)), 1, 10), ' '), 'window_minutes', '60')) AS evidence, 1. AS confidence
FROM (SELECT * FROM last_hour WHERE notEmpty(unpriced_models))
ARRAY JOIN unpriced_models AS model
GROUP BY model, provider_name
HAVING sum(unpriced_tokens) >= p['unpriced_model.tokens_min']
UNION ALL
SELECT
    'unattributed_spend', toUInt32(v.2['unattributed_spend']), map('tenant_id', 'unattributed'), 'firing', 'ticket', toDateTime64(min(minute), 3, 'UTC'),
    toFloat64(sum(calls)), 0., 'calls without a tenant', toFloat64(sum(calls)), sum(list_cost),
    (SELECT arraySort(groupUniqArray(20)(toString(consumer_id))) FROM calls
     WHERE started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND started_at < {at:DateTime64(3, 'UTC')} AND consumer_id NOT IN (SELECT consumer_id FROM attributions)),
    toJSONString(map('deployments', arrayStringConcat(arraySlice(groupUniqArray(toString(deployment)), 1, 10), ' '), 'window_minutes', '60',
        'remedy', 'an attribution rule for each consumer that is named as affected')), 1.
FROM last_hour
WHERE tenant_id = 'unattributed'
HAVING sum(calls) >= p['unattributed_spend.calls_min'];
