-- Other names of models, as known at an instant: the rows that no later row of the same key and start replaced, without those that were
-- withdrawn; or every row ever written, with `history`.
CREATE OR REPLACE VIEW model_alias_book AS
SELECT
    provider_name, alias, model, valid_from, valid_to, author, reason, known_from
FROM model_aliases
WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
  AND ({history:UInt8} = 1 OR (
        (provider_name, alias, valid_from, known_from) IN (
            SELECT provider_name, alias, valid_from, max(known_from)
            FROM model_aliases
            WHERE known_from <= {as_known_at:DateTime64(3, 'UTC')}
            GROUP BY provider_name, alias, valid_from)
        AND (valid_to IS NULL OR valid_to > valid_from)));
