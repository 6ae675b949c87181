-- What the hour that begins at `hour` begins with, as `running_totals` keeps it. The month is only read where a budget is
-- watched: it has twenty times the rows.
CREATE OR REPLACE VIEW measured_totals AS
WITH
    toDateTime({hour:DateTime64(3, 'UTC')}, 'UTC') AS now_hour,
    toDateTime(toStartOfMonth(now_hour), 'UTC') AS month_begins,
    (SELECT count() > 0 FROM budgets) AS watched
SELECT
    now_hour AS hour, tenant_id, deployment,
    toUInt64(sumIf(total, t.hour >= now_hour - 18000)) AS calls_5h, toUInt64(sumIf(server_failed + throttled, t.hour >= now_hour - 18000)) AS unserved_5h,
    toUInt64(sumIf(total, t.hour >= now_hour - 259200)) AS calls_72h, toUInt64(sumIf(server_failed + throttled, t.hour >= now_hour - 259200)) AS unserved_72h,
    sumIf(cost, t.hour >= now_hour - 18000) AS cost_5h, if(watched, sumIf(cost, t.hour >= month_begins), 0) AS cost_month,
    now64(3, 'UTC') AS computed_at
FROM traffic_hours AS t FINAL
WHERE t.hour >= if(watched, least(month_begins, now_hour - 259200), now_hour - 259200) AND t.hour < now_hour
GROUP BY tenant_id, deployment;
