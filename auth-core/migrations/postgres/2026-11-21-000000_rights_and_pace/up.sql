-- What changed rights, renewed cookies and unusual refreshing need, and a way to hear of
-- revocations at once.

ALTER TABLE auth_sessions
    -- Grows with each change of the user's rights, 0 at login: tokens issued with a lower one are
    -- refused. Milliseconds since 1970, or one more than before (or than rotated_at) where that
    -- is not more.
    ADD COLUMN rights_version bigint NOT NULL DEFAULT 0,
    -- How far the refreshes are ahead of the usual pace: up to when they would reach at that pace.
    ADD COLUMN refreshes_until bigint NOT NULL DEFAULT 0,
    -- What made the cookie's current secret out of the one before; null before the first renewal.
    ADD COLUMN secret_nonce bytea CHECK (octet_length(secret_nonce) = 16);

-- Null: all tokens of the session, or of the user, are refused. Else only those that open routes, and
-- of a session only those that were issued with a lower rights_version than this. (A process
-- that does not know the column yet refuses more than it has to.)
--
-- Triggers of the application may change rights as well: they raise rights_version of the live
-- sessions, and append a row of the kind `session` for each, and one of the kind `foreign`.
ALTER TABLE auth_revocations ADD COLUMN rights_version bigint;

-- Whoever appends, the processes that listen ask at once. The notification says nothing: they
-- read the table.
CREATE FUNCTION auth_revocations_appended() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('auth_revocations', '');
    RETURN NULL;
END $$;

CREATE TRIGGER auth_revocations_appended AFTER INSERT ON auth_revocations
    FOR EACH STATEMENT EXECUTE FUNCTION auth_revocations_appended();

-- Numbers are given out before rows are visible. What a transaction appended that took longer than the
-- processes look back is found by its id: it was not over when they looked before.
ALTER TABLE auth_revocations ADD COLUMN xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX auth_revocations_xid ON auth_revocations (xid);

-- Of the revocations of one user's foreign tokens the last counts, and the others go.
CREATE INDEX auth_revocations_foreign ON auth_revocations (user_type, user_id)
    WHERE kind = 'foreign';
