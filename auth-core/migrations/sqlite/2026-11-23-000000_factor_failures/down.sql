ALTER TABLE auth_factors DROP COLUMN failures;
