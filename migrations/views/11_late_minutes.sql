-- The minutes of [from, to) in which records say that a call started that came in after `since` (seconds of Unix time), and the database's clock;
-- one row. What has been measured before it came has to be measured again.
CREATE OR REPLACE VIEW late_minutes AS
SELECT
    now64(3, 'UTC') AS asked_at,
    (SELECT arraySort(groupUniqArray(toUnixTimestamp(toStartOfMinute(assumeNotNull(started_at))))) FROM events
     WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND isNotNull(started_at) AND kind IN ('call', 'gateway', 'usage', 'backend')
       AND started_at >= {from:DateTime64(3, 'UTC')} AND started_at < {to:DateTime64(3, 'UTC')}) AS minutes;
