-- List prices, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
-- The list is no part of the key: a row of any list replaces an earlier one for the same tokens and start.
CREATE OR REPLACE VIEW price_book AS
SELECT
    price_list, provider_name, model, region, service_tier, token_kind, context_over_tokens, list_unit_price,
    pricing_quantity, pricing_unit, pricing_currency, valid_from, valid_to, author, reason, known_from
FROM prices
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, known_from) IN (
            SELECT provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, max(known_from)
            FROM prices
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
