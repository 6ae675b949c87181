-- The prices of each model and kind of token, as known at an instant: of the list, and as agreed, each with the best last:
-- of a contract the tenant's own, then the kind's own price (reasoning may be billed as output), then a region's, then the
-- higher context tier, then the later start. Of rows with the same key and start the newest known counts.
--
-- list_prices: (own kind, region, context_over_tokens, valid_from, valid_to, service_tier, token price, currency);
-- contract_prices: the same after (tenant's own), and last the tenant.
CREATE OR REPLACE VIEW book AS
WITH
    terms AS
    (
        SELECT provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, '' AS tenant_id, false AS contracted,
               argMax((list_token_price, toString(pricing_currency), ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from) AS term
        FROM prices
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from
        UNION ALL
        SELECT provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, tenant_id, true,
               argMax((contracted_token_price, toString(pricing_currency), ifNull(valid_to, toDateTime64('2299-12-31 00:00:00', 3, 'UTC'))), known_from)
        FROM agreements
        WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
        GROUP BY agreement_id, provider_name, model, region, service_tier, token_kind, context_over_tokens, valid_from, tenant_id
        -- After the newest was found: a unit price may have been replaced by a discount.
        HAVING argMax(contracted_unit_price IS NOT NULL, known_from)
    )
SELECT provider_name, model, kind,
       arraySort(groupArrayIf((token_kind = kind, region, context_over_tokens, valid_from, term.3, service_tier, term.1, term.2), NOT contracted)) AS list_prices,
       arraySort(groupArrayIf((tenant_id != '', token_kind = kind, region, context_over_tokens, valid_from, term.3, service_tier, term.1, term.2, tenant_id), contracted)) AS contract_prices
FROM terms
ARRAY JOIN if(token_kind = 'output', ['output', 'reasoning'], [toString(token_kind)]) AS kind
GROUP BY provider_name, model, kind;
