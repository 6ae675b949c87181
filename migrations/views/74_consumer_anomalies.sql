-- Consumers that are not themselves, at one instant.
--
-- runaway_consumer  many times more calls or tokens in five minutes than its hours usually have at their most: a loop
-- leaked_key        a consumer known for a week calls from networks never seen of it, or asks for models it never asked for
CREATE OR REPLACE VIEW consumer_anomalies AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    -- Few rows: a consumer has some networks and models, and thousands of calls.
    heard AS
    (
        SELECT
            consumer_id, toString(client_network) AS network, toString(response_model) AS model, count() AS n, min(started_at) AS first_at,
            countIf(started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE) AS last_calls,
            sumIf(ifNull(usage_total_tokens, ifNull(usage_input_tokens, 0) + ifNull(usage_output_tokens, 0)), started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE) AS last_tokens
        FROM calls FINAL
        WHERE started_at >= {at:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND started_at < {at:DateTime64(3, 'UTC')} AND consumer_id != ''
        GROUP BY consumer_id, network, model
    ),
    recent AS
    (
        SELECT
            c.consumer_id AS consumer_id, sum(c.last_calls) AS calls, sum(c.last_tokens) AS tokens,
            any(h.hours) AS hours, any(h.first_hour) AS first_hour, any(h.usual_calls) AS usual_calls, any(h.usual_tokens) AS usual_tokens,
            sumIf(c.n, c.network != '' AND NOT has(h.networks, c.network) AS new_network) AS from_new, sumIf(c.n, c.model != '' AND NOT has(h.models, c.model) AS new_model) AS of_new, notEmpty(any(h.networks)) AS networks_known,
            groupUniqArrayIf(10)(c.network, new_network) AS new_networks, groupUniqArrayIf(10)(c.model, new_model) AS new_models,
            minIf(c.first_at, new_network OR new_model) AS first_new
        FROM heard AS c
        INNER JOIN (SELECT * FROM consumer_habits FINAL WHERE hour = toStartOfHour({at:DateTime64(3, 'UTC')})) AS h ON h.consumer_id = c.consumer_id
        GROUP BY c.consumer_id
    )
SELECT
    found.1 AS rule, toUInt32(v.2[found.1]) AS version, map('consumer_id', toString(consumer_id)) AS labels, 'firing' AS state, found.2 AS severity,
    found.3 AS started_at, found.4 AS observed, found.5 AS expected, found.6 AS unit, round(found.4 / greatest(1, found.5), 3) AS score,
    CAST(NULL, 'Nullable(Decimal(76, 24))') AS cost_per_hour, [toString(consumer_id)] AS affected, found.7 AS evidence, found.8 AS confidence
FROM recent
ARRAY JOIN arrayConcat(
    if(hours >= 24 AND calls >= p['runaway_consumer.calls_min'] AND (calls > p['runaway_consumer.ratio'] * usual_calls OR tokens > p['runaway_consumer.ratio'] * usual_tokens),
        [('runaway_consumer', 'ticket', {at:DateTime64(3, 'UTC')} - INTERVAL 5 MINUTE, toFloat64(if(calls > p['runaway_consumer.ratio'] * usual_calls, calls, tokens)),
          toFloat64(if(calls > p['runaway_consumer.ratio'] * usual_calls, usual_calls, usual_tokens)), if(calls > p['runaway_consumer.ratio'] * usual_calls, 'calls', 'tokens'),
          toJSONString(map('window_minutes', '5', 'calls', toString(calls), 'tokens', toString(tokens), 'baseline', 'the busiest five minutes of nine in ten of its hours in a week')), 0.9)], []),
    if(first_hour <= {at:DateTime64(3, 'UTC')} - toIntervalDay(p['leaked_key.known_days'])
           AND ((networks_known AND from_new >= p['leaked_key.calls_min']) OR of_new >= p['leaked_key.calls_min']),
        [('leaked_key', if(networks_known AND from_new >= p['leaked_key.calls_min'], if(of_new > 0 OR length(new_networks) > 1, 'page', 'ticket'), 'info'), first_new,
          toFloat64(greatest(if(networks_known, from_new, 0), of_new)), 0., 'calls',
          toJSONString(map('new_networks', arrayStringConcat(new_networks, ' '), 'new_models', arrayStringConcat(new_models, ' '), 'known_since', toString(first_hour))),
          if(networks_known AND from_new > 0 AND of_new > 0, 0.9, 0.6))], [])) AS found;
