DELETE FROM auth_sessions WHERE carrier = 'personal';
ALTER TABLE auth_sessions DROP COLUMN scopes;
