-- The detectors' parameters that hold at an instant, and the version of each rule: of each name the newest version of
-- those that are valid then.
CREATE OR REPLACE VIEW detector_values AS
SELECT
    mapFromArrays(groupArray(toString(name)), groupArray(latest.1)) AS values,
    maxMap(map(splitByChar('.', toString(name))[1], latest.2)) AS versions
FROM
(
    SELECT name, argMax((value, version), version) AS latest
    FROM detector_parameters
    WHERE valid_from <= {at:DateTime64(3, 'UTC')} AND ifNull(valid_to > {at:DateTime64(3, 'UTC')}, true)
    GROUP BY name
);
