-- The models that have a price, as known at an instant: of the list for every tenant (''), agreed ones for the tenant of
-- the agreement or for every one. What was withdrawn, or replaced by a discount, names no model: a name that was entered
-- by mistake must not stand before the one that has the price, nor one tenant's agreement in another one's bill.
CREATE OR REPLACE VIEW priced_models AS
SELECT toString(provider_name) AS provider_name, model, '' AS tenant_id, true AS is_listed
FROM prices
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
GROUP BY provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from
HAVING argMax(ifNull(valid_to > valid_from, true), known_from)
UNION ALL
SELECT toString(provider_name) AS provider_name, model, tenant_id, false AS is_listed
FROM agreements
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
GROUP BY agreement_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, tenant_id
HAVING argMax(contracted_unit_price IS NOT NULL AND ifNull(valid_to > valid_from, true), known_from);
