DROP TABLE users;
DROP FUNCTION users_ended;
DROP FUNCTION users_truncated;
DROP FUNCTION end_sessions_of_user;
