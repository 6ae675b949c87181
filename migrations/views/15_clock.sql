-- The database's clock, the one that stamps inserted_at: workers with clocks of their own must not decide what is late.
CREATE OR REPLACE VIEW clock AS
SELECT now64(3, 'UTC') AS now;
