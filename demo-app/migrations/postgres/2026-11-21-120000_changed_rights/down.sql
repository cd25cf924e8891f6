DROP TRIGGER users_changed ON users;
CREATE CONSTRAINT TRIGGER users_deactivated AFTER UPDATE OF is_active ON users
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (OLD.is_active AND NOT NEW.is_active)
    EXECUTE FUNCTION users_ended('user_inactive');
DROP FUNCTION users_changed();
DROP FUNCTION change_rights_of_user(bigint);
