-- In which ways the values of [from, to), at most a day of them, differ from the 28 days before each. Only what is before
-- a value is compared with it, whatever the window that is asked for, so that measuring again gives the same.
--
-- beyond     outside everything seen
-- rare       few earlier values are near it: a value between two levels is as rare as one above both
-- rare_mean  the same for the mean of twelve values, in which a change that lasts shows and a single value does not
-- unlike     that mean against those of the same hour of the day and the hours beside it, without the last three hours
--
-- Near is a twentieth of what is between the 5 % and the 95 % quantile of the days before the value's own: how wide a
-- series is, is learned once a day.
CREATE OR REPLACE VIEW compared_metrics AS
WITH
    (SELECT values FROM detector_values(at = {to:DateTime64(3, 'UTC')})) AS p,
    asked AS
    (
        SELECT DISTINCT series
        FROM metric_values
        WHERE at >= {from:DateTime64(3, 'UTC')} AND at < {to:DateTime64(3, 'UTC')}
    ),
    lined AS
    (
        SELECT series, at, toInt16(toHour(at)) AS hour, value, avg(value) OVER (PARTITION BY series ORDER BY at ROWS BETWEEN 11 PRECEDING AND CURRENT ROW) AS mean
        FROM metric_values FINAL
        -- A day more, so that the oldest mean that is compared with is whole.
        WHERE at >= toStartOfDay({from:DateTime64(3, 'UTC')}) - INTERVAL 29 DAY AND at < {to:DateTime64(3, 'UTC')} AND series IN (SELECT series FROM asked)
    ),
    widths AS
    (
        SELECT
            d.series AS series, d.day AS day, quantilesExact(0.05, 0.95)(l.value) AS v, quantilesExact(0.05, 0.95)(l.mean) AS m,
            if(count() < 50, nan, greatest(p['metric_anomaly.near'] * (v[2] - v[1]), 1e-9)) AS near,
            if(count() < 50, nan, greatest(p['metric_anomaly.near'] * (m[2] - m[1]), 1e-9)) AS near_mean
        FROM lined AS l
        INNER JOIN
        (
            SELECT DISTINCT series, toDateTime(toStartOfDay(at), 'UTC') AS day
            FROM metric_values
            WHERE at >= {from:DateTime64(3, 'UTC')} AND at < {to:DateTime64(3, 'UTC')}
        ) AS d ON l.series = d.series
        WHERE l.at < d.day AND l.at >= d.day - INTERVAL 28 DAY
        GROUP BY d.series, d.day
    ),
    judged AS
    (
        SELECT l.series AS series, l.at AS at, l.hour AS hour, l.value AS value, l.mean AS mean, if(w.near = 0, nan, w.near) AS near, if(w.near_mean = 0, nan, w.near_mean) AS near_mean
        FROM lined AS l
        LEFT JOIN widths AS w ON w.series = l.series AND w.day = toDateTime(toStartOfDay(l.at), 'UTC')
        WHERE l.at >= {from:DateTime64(3, 'UTC')}
    ),
    compared AS
    (
        SELECT
            n.series AS series, n.at AS at, any(n.value) AS value, any(n.mean) AS mean, any(n.near) AS near, any(n.near_mean) AS near_mean,
            count() AS known, min(b.value) AS lowest, max(b.value) AS highest,
            countIf(abs(b.value - n.value) <= n.near) AS near_values, countIf(abs(b.mean - n.mean) <= n.near_mean) AS near_means,
            countIf((b.hour - n.hour + 25) % 24 <= 2 AND b.at < n.at - INTERVAL 3 HOUR) AS same_hour,
            quantilesExactIf(0.25, 0.5, 0.75)(b.mean, (b.hour - n.hour + 25) % 24 <= 2 AND b.at < n.at - INTERVAL 3 HOUR) AS q
        FROM lined AS b
        INNER JOIN judged AS n ON b.series = n.series
        WHERE b.at < n.at AND b.at >= n.at - INTERVAL 28 DAY
        GROUP BY n.series, n.at
    )
SELECT
    series, at, toUInt32(known) AS known, lowest, highest, if(same_hour < 12, nan, q[2]) AS usual,
    if(compared.known < 50, nan, greatest(0, value - highest, lowest - value) / greatest(highest - lowest, 1e-9)) AS beyond,
    if(isNaN(near) OR compared.known < 50, nan, -log10((1 + near_values) / (1 + compared.known))) AS rare,
    if(isNaN(near_mean) OR compared.known < 50, nan, -log10((1 + near_means) / (1 + compared.known))) AS rare_mean,
    if(same_hour < 12, nan, abs(mean - q[2]) / greatest((q[3] - q[1]) / 1.349, 0.02 * abs(q[2]), 1e-9)) AS unlike,
    now64(3, 'UTC') AS computed_at
FROM compared;
