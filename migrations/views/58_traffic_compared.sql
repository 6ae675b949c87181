-- What came of some tenants' deployments, beside what was expected of it: calls as the baselines of each hour have them,
-- time as a warm call of its size takes. `expected_calls` is NULL where nothing was known of a series, and slowness where no
-- call of it could be compared.
--
-- `step` is PT1M, PT5M, PT1H, P1D or '' for one bucket; days are those of `tz`.
CREATE OR REPLACE VIEW traffic_compared AS
SELECT
    toDateTime(multiIf(
        {step:String} = 'PT1M', c.minute,
        {step:String} = 'PT5M', toStartOfFiveMinutes(c.minute),
        {step:String} = 'PT1H', toTimeZone(toStartOfHour(toTimeZone(c.minute, {tz:String})), 'UTC'),
        {step:String} = 'P1D', toTimeZone(toDateTime(toStartOfDay(toTimeZone(c.minute, {tz:String})), {tz:String}), 'UTC'),
        toDateTime({from:DateTime64(3, 'UTC')}, 'UTC')), 'UTC') AS bucket,
    sum(c.calls) AS calls, sum(c.expected) AS expected_calls,
    sum(c.failed) AS failed, sum(c.throttled) AS throttled, sum(c.tokens) AS tokens,
    if(sum(c.first_token_calls) = 0, NULL, exp(sum(c.first_token_log) / sum(c.first_token_calls))) AS first_token_slowness,
    if(sum(c.generation_calls) = 0, NULL, exp(sum(c.generation_log) / sum(c.generation_calls))) AS generation_slowness
FROM
(
    SELECT tenant_id, deployment, minute, calls, failed, throttled, tokens, first_token_calls, first_token_log, generation_calls, generation_log, NULL AS expected
    FROM traffic_minutes FINAL
    WHERE minute >= {from:DateTime64(3, 'UTC')} AND minute < {to:DateTime64(3, 'UTC')}
    UNION ALL
    -- A baseline says what is expected of five minutes of its hour.
    SELECT tenant_id, deployment, hour + 60 * arrayJoin(range(60)) AS minute, 0, 0, 0, 0, 0, 0, 0, 0, b.expected[1] * level / 5
    FROM baselines AS b FINAL
    WHERE hour > {from:DateTime64(3, 'UTC')} - INTERVAL 1 HOUR AND hour < {to:DateTime64(3, 'UTC')} AND notEmpty(b.expected)
      AND (has({visible_tenants:Array(String)}, '*') OR has({visible_tenants:Array(String)}, tenant_id))
      AND (empty({tenant_id:Array(String)}) OR has({tenant_id:Array(String)}, tenant_id))
      AND (empty({deployment:Array(String)}) OR has({deployment:Array(String)}, deployment))
) AS c
WHERE c.minute >= {from:DateTime64(3, 'UTC')} AND c.minute < {to:DateTime64(3, 'UTC')}
  AND (has({visible_tenants:Array(String)}, '*') OR has({visible_tenants:Array(String)}, c.tenant_id))
  AND (empty({tenant_id:Array(String)}) OR has({tenant_id:Array(String)}, c.tenant_id))
  AND (empty({deployment:Array(String)}) OR has({deployment:Array(String)}, c.deployment))
GROUP BY bucket;
