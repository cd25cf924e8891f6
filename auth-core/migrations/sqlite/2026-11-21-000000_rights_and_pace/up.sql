-- What changed rights, renewed cookies and unusual refreshing need.

-- Grows with each change of the user's rights, 0 at login: tokens issued with a lower one are refused.
-- Milliseconds since 1970, or one more than before (or than rotated_at) where that is not more.
ALTER TABLE auth_sessions ADD COLUMN rights_version INTEGER NOT NULL DEFAULT 0;

-- How far the refreshes are ahead of the usual pace: up to when they would reach at that pace.
ALTER TABLE auth_sessions ADD COLUMN refreshes_until INTEGER NOT NULL DEFAULT 0;

-- What made the cookie's current secret out of the one before; null before the first renewal.
ALTER TABLE auth_sessions ADD COLUMN secret_nonce BLOB CHECK (length(secret_nonce) = 16);

-- Null: all tokens of the session, or of the user, are refused. Else only those that open routes, and
-- of a session only those that were issued with a lower rights_version than this. (A process
-- that does not know the column yet refuses more than it has to.)
--
-- Triggers of the application may change rights as well: they raise rights_version of the live
-- sessions, and append a row of the kind `session` for each, and one of the kind `foreign`.
ALTER TABLE auth_revocations ADD COLUMN rights_version INTEGER;

-- Of the revocations of one user's foreign tokens the last counts, and the others go.
CREATE INDEX auth_revocations_foreign ON auth_revocations (user_type, user_id)
    WHERE kind = 'foreign';
