-- Changed rights apply at once, whoever changes them: the tokens that were issued with the old ones
-- are refused, and the logins stay. (What is kept for how long: see end_sessions_of_user.)
CREATE FUNCTION change_rights_of_user(changed_user bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
    session_until_ms bigint := now_ms + 31::bigint * 86400000;
    foreign_until_ms bigint := now_ms + 300 * 366::bigint * 86400000;
BEGIN
    WITH live AS (
        -- Locked in the order in which the application locks them.
        SELECT id FROM auth_sessions
            WHERE user_type = 'user' AND user_id = changed_user::text AND revoked_at IS NULL
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
    -- The last one counts.
    DELETE FROM auth_revocations
        WHERE kind = 'foreign' AND user_type = 'user' AND user_id = changed_user::text
            AND rights_version IS NOT NULL;
    INSERT INTO auth_revocations
            (kind, user_type, user_id, revoked_at, reason, expires_at, rights_version)
        VALUES ('foreign', 'user', changed_user::text, now_ms, 'rights_changed',
            foreign_until_ms, 0);
END $$;

-- One trigger for both: two in one transaction would lock sessions twice, and what was created
-- in between in another order.
CREATE FUNCTION users_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.is_active AND NOT NEW.is_active THEN
        PERFORM end_sessions_of_user(NEW.id, 'user_inactive');
    ELSIF NEW.is_active THEN
        PERFORM change_rights_of_user(NEW.id);
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER users_deactivated ON users;
CREATE CONSTRAINT TRIGGER users_changed AFTER UPDATE OF is_active, is_staff, role ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.is_active AND NOT NEW.is_active
        OR OLD.is_staff IS DISTINCT FROM NEW.is_staff OR OLD.role IS DISTINCT FROM NEW.role)
    EXECUTE FUNCTION users_changed();
