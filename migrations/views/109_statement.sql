-- The lines of a statement as they were printed.
CREATE OR REPLACE VIEW statement AS
SELECT * FROM statement_lines WHERE statement_id = {statement_id:String};
