-- Changed rights apply at once, whoever changes them: the tokens that were issued with the old ones
-- are refused, and the logins stay. (What is kept for how long: see the trigger that ends sessions.)
CREATE TRIGGER users_rights_changed AFTER UPDATE OF is_staff, role ON users
    WHEN OLD.is_staff IS NOT NEW.is_staff OR OLD.role IS NOT NEW.role
BEGIN
    UPDATE auth_sessions SET rights_version = max(
            rights_version + 1, rotated_at + 1,
            CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))
        WHERE user_type = 'user' AND user_id = CAST(NEW.id AS TEXT) AND revoked_at IS NULL;
    INSERT INTO auth_revocations
            (kind, session_id, revoked_at, reason, expires_at, rights_version)
        SELECT 'session', id, now, 'rights_changed', now + 31 * 86400000, rights_version
        FROM auth_sessions,
            (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now)
        WHERE user_type = 'user' AND user_id = CAST(NEW.id AS TEXT) AND revoked_at IS NULL;
    INSERT INTO auth_revocations
            (kind, user_type, user_id, revoked_at, reason, expires_at, rights_version)
        SELECT 'foreign', 'user', CAST(NEW.id AS TEXT), now, 'rights_changed',
            now + 300 * 366 * 86400000, 0
        FROM (SELECT CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) AS now);
END;
