-- The newest stored message of a stream, with the hash of its body: when it is met again in the hub and differs, the hub
-- was recreated or failed over, and its positions mean other messages.
CREATE OR REPLACE VIEW last_message AS
SELECT sequence_number, any(body_hash) AS body_hash, max(enqueued_at) AS enqueued_at
FROM events
WHERE stream = {stream:String} AND sequence_number = {sequence_number:Int64}
GROUP BY sequence_number;
