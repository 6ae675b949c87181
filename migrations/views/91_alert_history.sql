-- What happened to one alert: its turns, who acknowledged it, and each attempt to tell somebody.
CREATE OR REPLACE VIEW alert_history AS
SELECT recorded_at AS at, 'turn' AS kind, arrayStringConcat(turns, ', ') AS what, '' AS receiver, '' AS detail
FROM alert_events AS e
WHERE e.kind = 'state' AND fingerprint = splitByChar('-', {alert_id:String})[1] AND alert_id = {alert_id:String} AND notEmpty(turns)
UNION ALL
SELECT recorded_at AS at, 'notification' AS kind, toString(action) AS what, receiver, notification_key AS detail
FROM alert_events AS e
WHERE e.kind = 'notification' AND fingerprint = splitByChar('-', {alert_id:String})[1] AND alert_id = {alert_id:String}
UNION ALL
SELECT attempted_at AS at, 'delivery' AS kind, concat(action, ' ', outcome) AS what, receiver,
    trim(concat('attempt ', toString(attempt), if(isNull(status_code), '', concat(', status ', toString(assumeNotNull(status_code)))), if(detail = '', '', concat(', ', detail)))) AS detail
FROM alert_deliveries
WHERE alert_id = {alert_id:String}
UNION ALL
SELECT written_at AS at, 'acknowledgement' AS kind, author AS what, '' AS receiver, comment AS detail
FROM acknowledgements
WHERE alert_id = {alert_id:String}
UNION ALL
SELECT written_at AS at, 'feedback' AS kind, concat(author, ': ', verdict) AS what, '' AS receiver, comment AS detail
FROM alert_feedback
WHERE alert_id = {alert_id:String};
