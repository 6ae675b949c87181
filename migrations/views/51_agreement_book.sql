-- Agreements, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW agreement_book AS
SELECT
    agreement_id, tenant_id, provider_name, model, region, service_tier, token_kind, context_over_tokens,
    discount_percent, contracted_unit_price, pricing_quantity, pricing_unit, pricing_currency, valid_from,
    valid_to, author, reason, known_from
FROM agreements
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (agreement_id, tenant_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, known_from) IN (
            SELECT agreement_id, tenant_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, max(known_from)
            FROM agreements
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY agreement_id, tenant_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
