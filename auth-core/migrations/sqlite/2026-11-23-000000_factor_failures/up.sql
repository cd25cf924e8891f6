-- Codes of a second factor that were tried since one was accepted: they make the pauses longer.
ALTER TABLE auth_factors ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
