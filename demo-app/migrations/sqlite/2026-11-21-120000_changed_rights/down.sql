DROP TRIGGER users_rights_changed;
DROP VIEW change_rights_of_user;
