DROP TRIGGER users_rights_changed;
ALTER TABLE users DROP COLUMN scopes;
CREATE TRIGGER users_rights_changed AFTER UPDATE OF is_staff, role ON users
    WHEN NEW.is_active AND (OLD.is_staff IS NOT NEW.is_staff OR OLD.role IS NOT NEW.role)
BEGIN
    INSERT INTO change_rights_of_user VALUES (
        CAST(NEW.id AS TEXT), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
END;
