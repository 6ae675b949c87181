-- What the lines of a statement were rounded from.
CREATE OR REPLACE VIEW stored_charges AS
SELECT * FROM statement_charges WHERE statement_id = {statement_id:String};
