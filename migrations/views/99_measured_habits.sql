-- What is known of each consumer when the hour at `hour` begins, as `consumer_habits` keeps it. The hour before is left
-- out: it is still judged.
CREATE OR REPLACE VIEW measured_habits AS
WITH toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS now_hour
SELECT
    now_hour AS hour, consumer_id, min(h.hour) AS first_hour, count() AS hours,
    toUInt64(quantileExactIf(0.9)(largest_calls, h.hour >= now_hour - INTERVAL 7 DAY)) AS usual_calls,
    toUInt64(quantileExactIf(0.9)(largest_tokens, h.hour >= now_hour - INTERVAL 7 DAY)) AS usual_tokens,
    groupUniqArrayArray(h.networks) AS networks, groupUniqArrayArray(h.models) AS models, now64(3, 'UTC') AS computed_at
FROM consumer_hours AS h FINAL
WHERE h.hour >= now_hour - INTERVAL 28 DAY AND h.hour < now_hour - INTERVAL 1 HOUR
GROUP BY consumer_id;
