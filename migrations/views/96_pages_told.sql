-- Of which alerts somebody was paged since an instant, by tenant: a tenant may cause so many pages a day and no more.
CREATE OR REPLACE VIEW pages_told AS
SELECT labels['tenant_id'] AS tenant_id, alert_id
FROM alert_events
WHERE kind = 'notification' AND action = 'trigger' AND severity = 'page' AND recorded_at >= {since:DateTime64(3, 'UTC')}
GROUP BY tenant_id, alert_id;
