-- The detectors' parameters that hold at an instant, each with who set it and why; see `detector_values`.
CREATE OR REPLACE VIEW detector_parameters_known AS
SELECT
    toString(name) AS name, max(p.version) AS version, argMax(p.value, p.version) AS value, argMax(p.valid_from, p.version) AS valid_from,
    argMax(p.author, p.version) AS author, argMax(p.reason, p.version) AS reason
FROM detector_parameters AS p
WHERE p.valid_from <= {at:DateTime64(3, 'UTC')} AND ifNull(p.valid_to > {at:DateTime64(3, 'UTC')}, true)
GROUP BY name;
