-- The windows of a log that a backfill has finished.
CREATE OR REPLACE VIEW backfilled AS
SELECT window_from, window_to, records
FROM backfills FINAL
WHERE workspace = {workspace:String} AND log = {log:String}
ORDER BY window_from;
