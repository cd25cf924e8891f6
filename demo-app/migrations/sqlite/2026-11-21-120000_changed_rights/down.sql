DROP TRIGGER users_rights_changed;
