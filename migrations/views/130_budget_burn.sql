-- Budgets that are used up too fast, or are. A rate of 1 uses a month's budget up exactly in its month. Told where it
-- holds over a long window and still in a short one, as slo_burn: 14.4 over 1 h and 5 min, or 6 over 6 h and 30 min; and
-- where nothing is left. It is a page while the budget lasts less than a day at the long window's rate.
--
-- Read from what the detectors measured: of budgets in US dollars by tenant or deployment or of everything, at list
-- prices. Others are answered by spend and not watched here. The month is that of UTC: some hours at its border matter to
-- a bill and not to a rate.
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
        SELECT tenant_id, deployment, minute AS starts, toFloat64(ifNull(list_cost, 0)) AS cost
        FROM traffic_minutes FINAL
        WHERE minute >= least(this_hour, instant - INTERVAL 1 HOUR) AND minute < instant
          AND (SELECT count() FROM watched) > 0
        UNION ALL
        SELECT tenant_id, deployment, hour, arraySum(costs)
        FROM traffic_hours FINAL
        WHERE hour >= least(month_begins, instant - INTERVAL 7 HOUR) AND hour < least(this_hour, toDateTime(toStartOfHour(instant - INTERVAL 1 HOUR)))
          AND (SELECT count() FROM watched) > 0
    ),
    summed AS
    (
        SELECT
            w.budget_id AS budget_id, w.name AS name, w.filters AS filters, w.budget AS budget, sumIf(c.cost, c.starts >= month_begins) AS spent,
            [sumIf(c.cost, c.starts >= instant - INTERVAL 5 MINUTE) * 12, sumIf(c.cost, c.starts >= instant - INTERVAL 30 MINUTE) * 2,
             sumIf(c.cost, c.starts >= instant - INTERVAL 1 HOUR), sumIf(c.cost, c.starts >= instant - INTERVAL 6 HOUR) / 6] AS per_hour,
            arrayMap(x -> x * month_hours / budget, per_hour) AS burn
        FROM watched AS w
        CROSS JOIN costs AS c
        WHERE (empty(w.filters['tenant_id']) OR has(w.filters['tenant_id'], c.tenant_id)) AND (empty(w.filters['deployment']) OR has(w.filters['deployment'], c.deployment))
        GROUP BY w.budget_id, w.name, w.filters, w.budget
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
