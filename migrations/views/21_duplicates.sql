-- How many records of calls were repeated deliveries, and how many calls they touch. The hub delivers at least once, so
-- some are normal: they change no call, because a call is sealed from distinct records. Records without a call have
-- nothing to be merged into, and are not counted here.
CREATE OR REPLACE VIEW duplicates AS
SELECT sum(c.duplicates) AS records, countIf(c.duplicates > 0) AS calls
FROM calls AS c FINAL;
