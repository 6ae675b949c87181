-- How far in the tail of its own series each value of [from, to) is, by the ways in which it differs: of the 28 days
-- before, the share of values that differed as much in a way, as -log10, and the mean over the ways. Ranks and not sizes,
-- so that one threshold serves every series: it says how often a series that does not change exceeds it.
-- What differs more than anything before is told apart by how much more, up to a hundred times.
CREATE OR REPLACE VIEW ranked_metrics AS
WITH
    known AS
    (
        SELECT series, at, beyond, rare, rare_mean, unlike
        FROM metric_features FINAL
        WHERE at >= {from:DateTime64(3, 'UTC')} - INTERVAL 28 DAY AND at < {to:DateTime64(3, 'UTC')}
          AND series IN (SELECT series FROM metric_features WHERE at >= {from:DateTime64(3, 'UTC')} AND at < {to:DateTime64(3, 'UTC')})
    )
SELECT
    n.series AS series, n.at AS at,
    arrayAvg(w -> if(isNaN(w.1) OR w.2 < 30, 0,
                     -log10((w.3 + 1) / (w.2 + 1)) + multiIf(w.3 > 0, 0, w.4 > 0, least(2, log10(w.1 / w.4)), 1)),
        [
            (any(n.beyond), countIf(NOT isNaN(b.beyond)), countIf(b.beyond >= n.beyond), maxIf(b.beyond, NOT isNaN(b.beyond))),
            (any(n.rare), countIf(NOT isNaN(b.rare)), countIf(b.rare >= n.rare), maxIf(b.rare, NOT isNaN(b.rare))),
            (any(n.rare_mean), countIf(NOT isNaN(b.rare_mean)), countIf(b.rare_mean >= n.rare_mean), maxIf(b.rare_mean, NOT isNaN(b.rare_mean))),
            (any(n.unlike), countIf(NOT isNaN(b.unlike)), countIf(b.unlike >= n.unlike), maxIf(b.unlike, NOT isNaN(b.unlike)))
        ]) AS score,
    now64(3, 'UTC') AS computed_at
FROM known AS b
INNER JOIN (SELECT * FROM known WHERE at >= {from:DateTime64(3, 'UTC')}) AS n ON b.series = n.series
WHERE b.at < n.at AND b.at >= n.at - INTERVAL 28 DAY
GROUP BY n.series, n.at;
