-- Changed rights apply at once, whoever changes them: the tokens that were issued with the old ones
-- are refused, and the logins stay. (What is kept for how long: see the trigger that ends sessions.)
CREATE VIEW change_rights_of_user (user_id, now) AS SELECT NULL, NULL;

CREATE TRIGGER change_rights_of_user INSTEAD OF INSERT ON change_rights_of_user
BEGIN
    UPDATE auth_sessions SET rights_version = max(rights_version + 1, rotated_at + 1, NEW.now)
        WHERE user_type = 'user' AND user_id = NEW.user_id AND revoked_at IS NULL;
    INSERT INTO auth_revocations
            (kind, session_id, revoked_at, reason, expires_at, rights_version)
        SELECT 'session', id, NEW.now, 'rights_changed', NEW.now + 31 * 86400000, rights_version
        FROM auth_sessions
        WHERE user_type = 'user' AND user_id = NEW.user_id AND revoked_at IS NULL;
    -- The last one counts.
    DELETE FROM auth_revocations
        WHERE kind = 'foreign' AND user_type = 'user' AND user_id = NEW.user_id
            AND rights_version IS NOT NULL;
    INSERT INTO auth_revocations
            (kind, user_type, user_id, revoked_at, reason, expires_at, rights_version)
        VALUES ('foreign', 'user', NEW.user_id, NEW.now, 'rights_changed',
            NEW.now + 300 * 366 * 86400000, 0);
END;

CREATE TRIGGER users_rights_changed AFTER UPDATE OF is_staff, role ON users
    WHEN NEW.is_active AND (OLD.is_staff IS NOT NEW.is_staff OR OLD.role IS NOT NEW.role)
BEGIN
    INSERT INTO change_rights_of_user VALUES (
        CAST(NEW.id AS TEXT), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
END;
