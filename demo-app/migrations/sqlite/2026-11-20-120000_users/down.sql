DROP TABLE users;
DROP VIEW end_sessions_of_user;
