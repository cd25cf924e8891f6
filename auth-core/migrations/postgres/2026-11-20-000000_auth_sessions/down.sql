DROP TABLE auth_revocations;
DROP TABLE auth_sessions;
