DROP TRIGGER users_rights_changed ON users;
DROP FUNCTION users_rights_changed();
