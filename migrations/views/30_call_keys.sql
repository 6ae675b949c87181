-- Where a call may stand in `calls`, by any of the ids that its records have. A key that it had before and has no more
-- is among them: whoever reads the call finds nothing there.
CREATE OR REPLACE VIEW call_keys AS
SELECT DISTINCT call_ids, consumer_id, started_at
FROM calls
WHERE has(call_ids, {call_id:String});
