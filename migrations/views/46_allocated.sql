-- What a calendar month of each commitment costs, and who bears which part of it: one line per tenant and cost center, and
-- one for what nobody used (`is_idle`). from and to are a calendar month of any time zone.
--
-- Methods. weighted_tokens: by tokens times the weight of their kind. peak: by each one's busiest hour. fixed_shares: as
-- stated. Where a capacity is stated, the part of it that nobody used (of the month, or of an hour for peak) is idle; a
-- commitment that nobody used at all is idle, whatever its method.
-- Exactness: a ratio has 18 decimals, cut off; what is cut off is added to the idle line, or to the largest one where
-- nothing is idle. So ratios add up to 1 and lines to the amount, to the last digit.
-- Terms: an hourly amount counts for the hours that its row applies; a monthly one in full, by the row that applies first
-- in the month. A later row of the same commitment takes over where it begins. A call counts where the row that applies to
-- it names its deployment, as in `spend`.
CREATE OR REPLACE VIEW allocated AS
WITH
    terms AS
    (
        SELECT commitment_id, valid_from,
               argMax((name, toString(provider_name), deployments, amount, toString(amount_per), toString(billing_currency), toString(allocation_method), weights,
                       capacity_tokens_per_minute, shares, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')), quantity, toString(unit)), known_from) AS term
        FROM commitments
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY commitment_id, valid_from
        HAVING term.11 > valid_from
    ),
    -- Each row while it applies. The rows of a monthly commitment are paid for by the first of them, whatever the others say.
    spans AS
    (
        SELECT commitment_id, valid_from, term, greatest(valid_from, {from:DateTime64(3, 'UTC')}) AS since, least(term.11, next, {to:DateTime64(3, 'UTC')}) AS until,
               if(term.5 = 'month', min(since) OVER same, since) AS paid_from, if(term.5 = 'month', argMin(term.8, valid_from) OVER same, term.8) AS weights
        FROM
        (
            SELECT *, leadInFrame(valid_from, 1, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) OVER (PARTITION BY commitment_id ORDER BY valid_from ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
            FROM terms
        )
        WHERE valid_from < {to:DateTime64(3, 'UTC')} AND least(term.11, next) > {from:DateTime64(3, 'UTC')}
        WINDOW same AS (PARTITION BY commitment_id, term.5)
    ),
    active AS
    (
        SELECT s.commitment_id AS commitment_id, s.term AS term, s.since AS begins, if(s.term.5 = 'month', {to:DateTime64(3, 'UTC')}, s.until) AS ends,
               intDiv(dateDiff('second', begins, ends) + 3599, 3600) AS hours,
               if(s.term.5 = 'month', s.term.4, s.term.4 * hours) AS amount
        FROM spans AS s
        WHERE s.since = s.paid_from
    ),
    -- Weighted tokens by hour of the calls that a commitment pays for.
    used AS
    (
        SELECT a.commitment_id AS commitment_id, a.paid_from AS paid_from, c.tenant_id AS tenant_id, c.cost_center AS cost_center,
               toStartOfHour(c.started_at) AS hour,
               sum(arraySum(k -> toDecimal256(k.2, 6) * if(mapContains(a.weights, k.1), a.weights[k.1], toDecimal64(1, 6)),
                   [('input', ifNull(c.usage_input_tokens, 0)), ('cache_read', ifNull(c.usage_cache_read_input_tokens, 0)), ('cache_write', ifNull(c.usage_cache_creation_5m_input_tokens, 0)),
                    ('cache_write_1h', ifNull(c.usage_cache_creation_1h_input_tokens, 0)), ('input_audio', ifNull(c.usage_audio_input_tokens, 0)), ('output', ifNull(c.usage_output_tokens, 0)),
                    ('reasoning', ifNull(c.usage_reasoning_output_tokens, 0)), ('output_audio', ifNull(c.usage_audio_output_tokens, 0))])) AS weighted
        FROM attributed_calls(
            `from` = {from:DateTime64(3, 'UTC')}, `to` = {to:DateTime64(3, 'UTC')}, `step` = '', `tz` = 'UTC',
            `as_known_at` = {as_known_at:DateTime64(3, 'UTC')}, `visible_tenants` = ['*'],
            `tenant_id` = [], `consumer_id` = [], `product_id` = [], `api_id` = [], `operation_name` = [],
            `provider_name` = [], `response_model` = [], `deployment` = [], `backend` = [], `region` = [], `source` = [],
            `service_tier` = [], `user_id` = [], `cache_status` = [], `attempts` = [], `model_version` = [],
            `routing_label` = [], `moderation_outcome` = [], `moderation_category` = [], `moderation_severity` = [],
            `throttled_by` = []) AS c
        INNER JOIN (SELECT *, arrayJoin(arrayDistinct(term.3)) AS deployment FROM spans) AS a ON c.deployment = a.deployment
        WHERE a.term.2 IN ('', c.provider_name) AND c.started_at >= a.since AND c.started_at < a.until
        GROUP BY commitment_id, paid_from, tenant_id, cost_center, hour
    ),
    -- What each is measured by, per commitment: an array of (tenant, cost center, measure).
    measured AS
    (
        SELECT a.commitment_id AS commitment_id, a.begins AS begins, a.ends AS ends, a.term AS term, a.amount AS amount,
               if(a.term.7 = 'fixed_shares', arrayMap((t, s) -> (t, '', toDecimal256(s, 12)), mapKeys(a.term.10), mapValues(a.term.10)),
                  arraySort(x -> (-x.3, x.1, x.2), arrayFilter(x -> x.3 > 0, groupArray((u.tenant_id, u.cost_center, if(a.term.7 = 'peak', u.peak, u.total)))))) AS parts,
               arraySum(parts.3) AS sum,
               multiIf(a.term.7 = 'fixed_shares', toDecimal256(1, 12), a.term.7 = 'peak', toDecimal256(ifNull(a.term.9, 0) * 60, 12), toDecimal256(ifNull(a.term.9, 0), 12) * a.hours * 60) AS capacity
        FROM active AS a
        LEFT JOIN (SELECT commitment_id, paid_from, tenant_id, cost_center, max(weighted) AS peak, sum(weighted) AS total FROM used GROUP BY commitment_id, paid_from, tenant_id, cost_center) AS u
            ON u.commitment_id = a.commitment_id AND u.paid_from = a.begins
        GROUP BY commitment_id, begins, ends, term, amount, a.hours
    ),
    shared AS
    (
        SELECT *,
               arrayMap(x -> toDecimal128(toDecimal256(x.3, 30) / greatest(sum, capacity), 18), parts) AS cut,
               toDecimal128(1, 18) - arraySum(cut) AS rest,
               capacity > sum OR empty(parts) AS has_idle,
               if(has_idle, arrayConcat(arrayMap((x, ratio) -> (x.1, x.2, false, x.3, ratio), parts, cut), [('', '', true, greatest(capacity - sum, toDecimal256(0, 12)), rest)]),
                  arrayMap((x, ratio, i) -> (x.1, x.2, false, x.3, if(i = 1, ratio + rest, ratio)), parts, cut, arrayEnumerate(parts))) AS lines
        FROM measured
    )
SELECT
    commitment_id, term.1 AS name, toDateTime(begins, 'UTC') AS charge_period_start, toDateTime(ends, 'UTC') AS charge_period_end,
    line.1 AS tenant_id, line.2 AS cost_center, toBool(line.3) AS is_idle,
    term.7 AS allocated_method_id, toDecimal128(line.5, 18) AS allocated_ratio,
    line.4 AS usage_quantity, multiIf(term.7 = 'fixed_shares', 'Shares', term.7 = 'peak', 'Weighted Tokens in the busiest hour', 'Weighted Tokens') AS usage_unit,
    toDecimal256(amount, 6) AS committed_amount,
    toDecimal256(amount, 6) * line.5 AS allocated_cost, term.6 AS billing_currency, term.2 AS provider_name, term.3 AS deployments,
    concat('{"Elements":[{"AllocatedRatio":', toString(line.5), ',"UsageUnit":"', usage_unit, '","UsageQuantity":', toString(line.4), '}]}') AS allocated_method_details
FROM shared
ARRAY JOIN lines AS line
WHERE has({visible_tenants:Array(String)}, '*') OR (NOT line.3 AND has({visible_tenants:Array(String)}, line.1))
SETTINGS optimize_and_compare_chain = 0;
