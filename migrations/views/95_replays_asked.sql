-- What somebody asked to deliver again, since an instant.
CREATE OR REPLACE VIEW replays_asked AS
SELECT notification_key, receiver, max(d.written_at) AS written_at
FROM delivery_replays AS d
WHERE d.written_at >= {since:DateTime64(3, 'UTC')}
GROUP BY notification_key, receiver;
