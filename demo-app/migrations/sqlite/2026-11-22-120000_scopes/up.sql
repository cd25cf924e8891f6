-- What a user may do, as words that permissions compare, separated by spaces. Personal tokens can be limited
-- to some of them.
ALTER TABLE users ADD COLUMN scopes TEXT NOT NULL DEFAULT '';

-- As before; scopes are rights as well.
DROP TRIGGER users_rights_changed;
CREATE TRIGGER users_rights_changed AFTER UPDATE OF is_staff, role, scopes ON users
    WHEN NEW.is_active AND (OLD.is_staff IS NOT NEW.is_staff OR OLD.role IS NOT NEW.role
        OR OLD.scopes IS NOT NEW.scopes)
BEGIN
    INSERT INTO change_rights_of_user VALUES (
        CAST(NEW.id AS TEXT), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
END;
