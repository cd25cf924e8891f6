-- The users of the application. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE users (
    -- AUTOINCREMENT: the id of a deleted user is never given to another.
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,   -- case-sensitive
    email TEXT NOT NULL DEFAULT '',
    password_hash TEXT,              -- null: no login by password
    is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
    is_staff INTEGER NOT NULL DEFAULT 0 CHECK (is_staff IN (0, 1)),
    role TEXT,
    created_at INTEGER NOT NULL,
    last_login_at INTEGER
) STRICT;

-- A user who is deleted or deactivated is logged out in the same transaction, whoever does it:
-- the application, an administrator at the SQL prompt, another tool. Every process of the
-- application refuses their tokens within its poll interval.
--
-- The view is a procedure: inserting into it ends the sessions of a user.
CREATE VIEW end_sessions_of_user (user_id, reason, now) AS SELECT NULL, NULL, NULL;

-- A revocation must outlive every token that it concerns. SQL does not know the lifetimes of
-- tokens. The application accepts at most 30 days for its own, and this remembers for 31; tokens of
-- other issuers may live for any time.
CREATE TRIGGER end_sessions_of_user INSTEAD OF INSERT ON end_sessions_of_user
BEGIN
    INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at)
        SELECT 'session', id, NEW.now, NEW.reason, NEW.now + 31 * 86400000 FROM auth_sessions
        WHERE user_type = 'user' AND user_id = NEW.user_id AND revoked_at IS NULL;
    INSERT INTO auth_revocations (kind, user_type, user_id, revoked_at, reason, expires_at)
        VALUES ('foreign', 'user', NEW.user_id, NEW.now, NEW.reason, NEW.now + 300 * 366 * 86400000);
    UPDATE auth_sessions SET revoked_at = NEW.now, revoked_reason = NEW.reason
        WHERE user_type = 'user' AND user_id = NEW.user_id AND revoked_at IS NULL;
END;

-- By julianday(), because unixepoch('subsec') is not in every sqlite3 that an administrator has.
CREATE TRIGGER users_deleted AFTER DELETE ON users
BEGIN
    INSERT INTO end_sessions_of_user VALUES (
        CAST(OLD.id AS TEXT), 'user_deleted',
        CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
END;

CREATE TRIGGER users_deactivated AFTER UPDATE OF is_active ON users
    WHEN OLD.is_active AND NOT NEW.is_active
BEGIN
    INSERT INTO end_sessions_of_user VALUES (
        CAST(OLD.id AS TEXT), 'user_inactive',
        CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER));
END;
