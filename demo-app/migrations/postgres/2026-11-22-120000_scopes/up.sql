-- What a user may do, as words that permissions compare, separated by spaces. Personal tokens can be limited
-- to some of them.
ALTER TABLE users ADD COLUMN scopes text NOT NULL DEFAULT '';

-- As before; scopes are rights as well.
DROP TRIGGER users_changed ON users;
CREATE CONSTRAINT TRIGGER users_changed AFTER UPDATE OF is_active, is_staff, role, scopes ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW
    WHEN (OLD.is_active AND NOT NEW.is_active
        OR OLD.is_staff IS DISTINCT FROM NEW.is_staff OR OLD.role IS DISTINCT FROM NEW.role
        OR OLD.scopes IS DISTINCT FROM NEW.scopes)
    EXECUTE FUNCTION users_changed();
