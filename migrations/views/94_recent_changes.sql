-- What changed before an alert: prices of the models that its deployment serves, to whom its tenant's consumers belong, and
-- the life of the deployment that gateways and platforms told of; each with who did it and why.
CREATE OR REPLACE VIEW recent_changes AS
WITH
(
    SELECT groupUniqArray((toString(c.provider_name), toString(c.response_model)))
    FROM calls AS c
    WHERE c.started_at > {from:DateTime64(3, 'UTC')} AND c.started_at <= {to:DateTime64(3, 'UTC')} AND {deployment:String} != ''
      -- As a series is named where its log has no deployment.
      AND arrayFirst(name -> name != '', [toString(c.deployment), toString(c.response_model), toString(c.backend), toString(c.api_id)]) = {deployment:String}
) AS served
SELECT max(known_from) AS at, 'price' AS kind, arrayStringConcat(arraySlice(arraySort(groupUniqArray(model)), 1, 3), ', ') AS what, author, reason
FROM prices
WHERE known_from > {from:DateTime64(3, 'UTC')} AND known_from <= {to:DateTime64(3, 'UTC')}
  AND arrayExists(s -> s.1 = provider_name AND startsWith(s.2, model), served)
GROUP BY price_list, author, reason
UNION ALL
SELECT max(known_from) AS at, 'attribution' AS kind, concat(consumer_id, ' to ', tenant_id) AS what, author, reason
FROM attributions
WHERE known_from > {from:DateTime64(3, 'UTC')} AND known_from <= {to:DateTime64(3, 'UTC')} AND tenant_id = {tenant_id:String}
GROUP BY consumer_id, tenant_id, author, reason
UNION ALL
SELECT max(started_at) AS at, 'lifecycle' AS kind, concat(deployment, ' ', event_name) AS what, '' AS author, event_reason AS reason
FROM events AS e
WHERE e.kind = 'lifecycle' AND e.enqueued_at > {from:DateTime64(3, 'UTC')} AND e.enqueued_at <= {to:DateTime64(3, 'UTC')}
  AND e.deployment = {deployment:String} AND e.deployment != ''
GROUP BY deployment, event_name, event_reason
HAVING isNotNull(at);
