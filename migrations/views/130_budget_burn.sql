-- Budgets that are used up too fast, or are. A rate of 1 uses a month's budget up exactly in its month. Told where it
-- holds over a long window and still in a short one, as slo_burn: 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min; and
-- where nothing is left. It is a page while the budget lasts less than a day at the long window's rate.
--
-- Read from what the detectors measured: of budgets in US dollars by tenant or deployment or of everything, at list
-- prices. Others are answered by spend and not watched here. The month is that of UTC: some hours at its border matter to
-- a bill and not to a rate. What was spent before the hour that runs is added up once an hour.
CREATE OR REPLACE VIEW budget_burn AS
WITH
    (SELECT (values, versions) FROM detector_values(at = {at:DateTime64(3, 'UTC')})) AS v,
    v.1 AS p,
    toStartOfMinute({at:DateTime64(3, 'UTC')}) AS instant,
    toStartOfHour(instant) AS this_hour,
    toDateTime(toStartOfMonth(instant), 'UTC') AS month_begins,
    toDateTime(addMonths(toStartOfMonth(instant), 1), 'UTC') AS month_ends,
    dateDiff('hour', month_begins, month_ends) AS month_hours,
    watched AS
    (
        SELECT budget_id, latest.1 AS name, latest.2 AS filters, toFloat64(latest.3) AS budget
        FROM
        (
            SELECT budget_id, argMax((name, filters, amount, valid_to), (valid_from, known_from)) AS latest
            FROM budgets
            WHERE valid_from <= {at:DateTime64(3, 'UTC')} AND billing_currency = 'USD'
            GROUP BY budget_id
        )
        WHERE ifNull(latest.4 > {at:DateTime64(3, 'UTC')}, true) AND empty(arrayFilter(k -> k NOT IN ('tenant_id', 'deployment'), mapKeys(latest.2)))
    ),
    costs AS
    (
        SELECT tenant_id, deployment, minute AS starts, toFloat64(ifNull(list_cost, 0)) AS cost, 0. AS cost_5h, 0. AS cost_month
        FROM traffic_minutes FINAL
        WHERE minute >= instant - INTERVAL 1 HOUR AND minute < instant AND (SELECT count() FROM watched) > 0
        UNION ALL
        SELECT tenant_id, deployment, toDateTime(0, 'UTC'), 0, cost_5h, cost_month
        FROM running_totals FINAL
        WHERE hour = this_hour AND (SELECT count() FROM watched) > 0
    ),
    -- Of each tenant's deployment, each tenant, each deployment, and of all: a budget is of one kind of these.
    totals AS
    (
        SELECT
            tenant_id, deployment, grouping(tenant_id) = 0 AS by_tenant, grouping(deployment) = 0 AS by_deployment,
            sumIf(cost, starts >= greatest(this_hour, month_begins)) + sum(cost_month) AS spent,
            [sumIf(cost, starts >= instant - INTERVAL 5 MINUTE) * 12, sumIf(cost, starts >= instant - INTERVAL 30 MINUTE) * 2,
             sum(cost), (sumIf(cost, starts >= this_hour) + sum(cost_5h)) / (5 + dateDiff('second', this_hour, instant) / 3600)] AS per_hour
        FROM costs
        GROUP BY GROUPING SETS ((tenant_id, deployment), (tenant_id), (deployment), ())
    ),
    summed AS
    (
        SELECT
            w.budget_id AS budget_id, any(w.name) AS name, any(w.filters) AS filters, any(w.budget) AS budget, sum(t.spent) AS spent, sumForEach(t.per_hour) AS per_hour,
            arrayMap(x -> x * month_hours / budget, per_hour) AS burn
        FROM
        (
            SELECT *, notEmpty(filters['tenant_id']) AS by_tenant, notEmpty(filters['deployment']) AS by_deployment,
                arrayJoin(if(by_tenant, filters['tenant_id'], [''])) AS tenant_id, arrayJoin(if(by_deployment, filters['deployment'], [''])) AS deployment
            FROM watched
        ) AS w
        INNER JOIN totals AS t ON t.by_tenant = w.by_tenant AND t.by_deployment = w.by_deployment AND t.tenant_id = w.tenant_id AND t.deployment = w.deployment
        GROUP BY w.budget_id
    ),
    judged AS
    (
        SELECT *,
            multiIf(burn[3] >= p['budget_burn.fast'] AND burn[1] >= p['budget_burn.fast'], 3, burn[4] >= p['budget_burn.medium'] AND burn[2] >= p['budget_burn.medium'], 4, 0) AS long,
            if(long = 0 OR spent >= budget, 0, (budget - spent) / per_hour[long]) AS hours_left
        FROM summed
    )
SELECT
    'budget_burn' AS rule, toUInt32(v.2['budget_burn']) AS version,
    mapUpdate(map('budget_id', toString(budget_id)), if(length(filters['tenant_id']) = 1, map('tenant_id', filters['tenant_id'][1]), map())) AS labels, 'firing' AS state,
    if(hours_left > 0 AND hours_left < p['budget_burn.page_hours'], 'page', 'ticket') AS severity,
    toDateTime64(instant - if(long = 3, 3600, 21600), 3, 'UTC') AS started_at,
    spent AS observed, budget AS expected, 'USD of the month' AS unit, round(if(long = 0, spent / budget, burn[long]), 3) AS score,
    CAST(toDecimal64(per_hour[3], 6), 'Nullable(Decimal(76, 24))') AS cost_per_hour,
    arrayMap(t -> toString(t), filters['tenant_id']) AS affected,
    toJSONString(map('name', toString(name), 'spent', toString(round(spent, 2)), 'budget', toString(budget), 'burn_1h', toString(round(burn[3], 2)),
        'burn_6h', toString(round(burn[4], 2)), 'hours_left', if(long = 0 OR spent >= budget, '', toString(round(hours_left, 1))), 'month_ends', toString(month_ends))) AS evidence,
    1. AS confidence
FROM judged
WHERE long > 0 OR spent >= budget;
