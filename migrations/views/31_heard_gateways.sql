-- The gateways that were heard of since an instant, by what told of them.
CREATE OR REPLACE VIEW heard_gateways AS
SELECT gateway, source, count() AS records, min(enqueued_at) AS first_enqueued_at, max(enqueued_at) AS last_enqueued_at
FROM events
WHERE inserted_at >= {since:DateTime64(3, 'UTC')} AND gateway != ''
GROUP BY gateway, source
ORDER BY first_enqueued_at, gateway, source;
