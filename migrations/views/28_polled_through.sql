-- How far the metrics of each resource have been polled; the poller goes on from there.
CREATE OR REPLACE VIEW polled_through AS
SELECT workspace, max(window_to) AS through
FROM backfills
WHERE log = 'metrics'
GROUP BY workspace;
