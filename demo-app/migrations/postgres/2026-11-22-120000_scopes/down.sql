DROP TRIGGER users_changed ON users;
ALTER TABLE users DROP COLUMN scopes;
CREATE CONSTRAINT TRIGGER users_changed AFTER UPDATE OF is_active, is_staff, role ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.is_active AND NOT NEW.is_active
        OR OLD.is_staff IS DISTINCT FROM NEW.is_staff OR OLD.role IS DISTINCT FROM NEW.role)
    EXECUTE FUNCTION users_changed();
