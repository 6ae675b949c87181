-- What each consumer did in the hour that begins at `hour`, as `consumer_hours` keeps it.
CREATE OR REPLACE VIEW measured_consumers AS
SELECT
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS hour, consumer_id, sum(n) AS calls, max(n) AS largest_calls, toUInt64(max(amount)) AS largest_tokens,
    arraySlice(groupUniqArrayArray(places), 1, 200) AS networks, arraySlice(groupUniqArrayArray(asked), 1, 200) AS models, now64(3, 'UTC') AS computed_at
FROM
(
    SELECT
        consumer_id, count() AS n, sum(ifNull(usage_total_tokens, ifNull(usage_input_tokens, 0) + ifNull(usage_output_tokens, 0))) AS amount,
        groupUniqArrayIf(200)(toString(client_network), client_network != '') AS places,
        groupUniqArrayIf(200)(toString(response_model), response_model != '') AS asked
    FROM calls FINAL
    WHERE started_at >= {hour:DateTime64(3, 'UTC')} AND started_at < {hour:DateTime64(3, 'UTC')} + INTERVAL 1 HOUR AND consumer_id != ''
    GROUP BY consumer_id, toStartOfFiveMinutes(started_at)
)
GROUP BY consumer_id;
