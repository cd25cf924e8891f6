-- Changed rights apply at once, whoever changes them: the tokens that were issued with the old ones
-- are refused, and the logins stay. (What is kept for how long: see end_sessions_of_user.)
CREATE FUNCTION users_rights_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    session_until_ms bigint := now_ms + 31::bigint * 86400000;
    foreign_until_ms bigint := now_ms + 300 * 366::bigint * 86400000;
BEGIN
    WITH live AS (
        -- Locked in the order in which the application locks them.
        SELECT id FROM auth_sessions
            WHERE user_type = 'user' AND user_id = NEW.id::text AND revoked_at IS NULL
            ORDER BY id FOR UPDATE),
    changed AS (
        UPDATE auth_sessions
            SET rights_version = greatest(rights_version + 1, rotated_at + 1, now_ms)
            WHERE id IN (SELECT id FROM live)
            RETURNING id, rights_version)
    INSERT INTO auth_revocations
            (kind, session_id, revoked_at, reason, expires_at, rights_version)
        SELECT 'session', id, now_ms, 'rights_changed', session_until_ms, rights_version
        FROM changed;
    INSERT INTO auth_revocations
            (kind, user_type, user_id, revoked_at, reason, expires_at, rights_version)
        VALUES ('foreign', 'user', NEW.id::text, now_ms, 'rights_changed', foreign_until_ms, 0);
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER users_rights_changed AFTER UPDATE OF is_staff, role ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.is_staff IS DISTINCT FROM NEW.is_staff OR OLD.role IS DISTINCT FROM NEW.role)
    EXECUTE FUNCTION users_rights_changed();
