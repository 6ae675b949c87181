-- What calls are told apart by before they are priced: the instants within a window at which some term of some book
-- changes, the context sizes with prices of their own, the tenants with terms of their own, the regions with prices.
CREATE OR REPLACE VIEW book_borders AS
SELECT
    (SELECT arraySort(groupUniqArray(border)) FROM (
        SELECT arrayJoin([valid_from, ifNull(valid_to, valid_from)]) AS border FROM prices
        UNION ALL SELECT arrayJoin([valid_from, ifNull(valid_to, valid_from)]) FROM agreements
        UNION ALL SELECT arrayJoin([valid_from, ifNull(valid_to, valid_from)]) FROM model_aliases
        UNION ALL SELECT arrayJoin([valid_from, ifNull(valid_to, valid_from)]) FROM commitments
        UNION ALL SELECT arrayJoin([valid_from, ifNull(valid_to, valid_from)]) FROM exchange_rates WHERE to_currency = {currency:String})
     WHERE border > {from:DateTime64(3, 'UTC')} AND border < {to:DateTime64(3, 'UTC')}) AS borders,
    (SELECT arraySort(groupUniqArray(context_over_tokens)) FROM (SELECT context_over_tokens FROM prices UNION ALL SELECT context_over_tokens FROM agreements)) AS contexts,
    (SELECT groupUniqArray(tenant_id) FROM agreements) AS tenants,
    (SELECT groupUniqArray(toString(region)) FROM (SELECT region FROM prices UNION ALL SELECT region FROM agreements)) AS regions;
