-- How far the detectors' tables have been measured by an instant, how far somebody has looked for findings, and when the
-- first call that is kept started; NULL where nothing is.
CREATE OR REPLACE VIEW measured_through AS
SELECT
    maxOrNullIf(through, what = 'minutes') AS minutes,
    maxOrNullIf(through, what = 'hours') AS hours,
    maxOrNullIf(through, what = 'findings') AS findings,
    -- Of the database's clock, not of calls.
    (SELECT maxOrNull(through) FROM measurements WHERE what = 'late') AS late,
    -- Only asked while no hour has been learned from: it reads all calls.
    (SELECT minOrNull(started_at) FROM calls
     WHERE started_at < {at:DateTime64(3, 'UTC')} AND (SELECT count() FROM measurements WHERE what = 'hours') = 0) AS first_call
FROM measurements
WHERE through <= {at:DateTime64(3, 'UTC')} AND what != 'late';
