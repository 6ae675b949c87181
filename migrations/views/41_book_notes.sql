-- The few terms of the books that are patterns or apply to many, as known at an instant, the best of each first; one row.
-- aliases: (is a pattern, order, provider, LIKE pattern, model, valid_from, valid_to); a price of a pattern is its own model.
-- commitments: (deployments, provider, valid_from, valid_to); a row ends where the next one of its commitment begins. discounts: (order, tenant, provider, LIKE pattern, kind, tier,
-- region, valid_from, valid_to, factor). exchange: (from_currency, valid_from, valid_to, rate) to `currency`, oldest first.
CREATE OR REPLACE VIEW book_notes AS
SELECT
    (SELECT arraySort(groupArray((position(alias, '*') > 0, (provider_name = '', -length(alias), alias, -toUnixTimestamp64Milli(valid_from)), provider_name, replaceAll(replaceRegexpAll(alias, '([%_\\\\])', '\\\\\\1'), '*', '%'), term.1, valid_from, term.2))) FROM (
        SELECT toString(provider_name) AS provider_name, alias, valid_from, argMax((model, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
        FROM model_aliases WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')} GROUP BY provider_name, alias, valid_from
        UNION ALL
        SELECT DISTINCT toString(provider_name), model, toDateTime64('1970-01-01 00:00:00', 3, 'UTC'), (model, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))
        FROM priced_models(`as_known_at` = {as_known_at:DateTime64(3, 'UTC')}) WHERE is_listed AND position(model, '*') > 0)) AS aliases,
    (SELECT groupArray((term.1, term.2, valid_from, least(term.3, next))) FROM (
        SELECT valid_from, term, leadInFrame(valid_from, 1, toDateTime64('2299-12-31 00:00:00', 3, 'UTC')) OVER (PARTITION BY commitment_id ORDER BY valid_from ASC ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS next
        FROM (
            SELECT commitment_id, valid_from, argMax((deployments, toString(provider_name), ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
            FROM commitments WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')} GROUP BY commitment_id, valid_from HAVING term.3 > valid_from))) AS commitments,
    (SELECT arrayReverseSort(groupArray(((tenant_id != '', model != '', position(model, '*') = 0, token_kind != '', service_tier != '', region != '', provider_name != '', valid_from, agreement_id),
            tenant_id, provider_name, if(model = '', '%', replaceAll(replaceRegexpAll(model, '([%_\\\\])', '\\\\\\1'), '*', '%')), token_kind, service_tier, region, valid_from, term.2, term.1))) FROM (
        SELECT agreement_id, tenant_id, toString(provider_name) AS provider_name, model, toString(region) AS region, toString(service_tier) AS service_tier, toString(token_kind) AS token_kind, valid_from,
               argMax((toDecimal128(1, 6) - toDecimal128(assumeNotNull(discount_percent), 6) / 100, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
        FROM agreements WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY agreement_id, tenant_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from
        HAVING argMax(discount_percent IS NOT NULL, known_from))) AS discounts,
    (SELECT arraySort(x -> x.2, groupArray((from_currency, valid_from, term.2, term.1))) FROM (
        SELECT toString(from_currency) AS from_currency, valid_from, argMax((exchange_rate, ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
        FROM exchange_rates WHERE to_currency = {currency:String} AND known_from <= {as_known_at:DateTime64(3, 'UTC')} GROUP BY from_currency, valid_from)) AS exchange;
