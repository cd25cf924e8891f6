-- Sessions and revocations of auth-core. All times are milliseconds since 1970-01-01T00:00:00Z.
--
-- Triggers of the application may end sessions, and then have to append what the processes must
-- hear of. (The checks below refuse half a change.) When a user is deleted, and an access token
-- lives for five minutes:
--
--   INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at)
--       SELECT 'session', id, unixepoch() * 1000, 'user_deleted', (unixepoch() + 300) * 1000
--       FROM auth_sessions
--       WHERE user_type = 'user' AND user_id = CAST(OLD.id AS TEXT) AND revoked_at IS NULL;
--   UPDATE auth_sessions SET revoked_at = unixepoch() * 1000, revoked_reason = 'user_deleted'
--       WHERE user_type = 'user' AND user_id = CAST(OLD.id AS TEXT) AND revoked_at IS NULL;

-- One login on one device. An ordinary rowid table: WITHOUT ROWID was measured to be no faster
-- at rotating and a quarter slower at inserting, for rows of this length.
CREATE TABLE auth_sessions (
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16), -- random; the `sid` claim
    user_type TEXT NOT NULL,           -- the kind of user, `user` unless there are several
    user_id TEXT NOT NULL,             -- the user's id within that kind
    carrier TEXT NOT NULL,             -- token | single | cookie
    generation INTEGER NOT NULL,       -- which refresh token is current, 0 at login
    rotated_at INTEGER NOT NULL,       -- when that one became current
    secret_hash BLOB CHECK (length(secret_hash) = 32), -- SHA-256 of the cookie's secret
    created_at INTEGER NOT NULL,       -- the login
    authenticated_at INTEGER,         -- when the user last proved who they are, if known
    last_seen_at INTEGER NOT NULL,     -- the last sign of life
    idle_expires_at INTEGER NOT NULL,  -- the end unless it is used again; moves on
    expires_at INTEGER NOT NULL,       -- the absolute end, never extended
    methods TEXT NOT NULL,             -- words of the `amr` claim, separated by a space
    ip TEXT,                           -- at login
    user_agent TEXT,                   -- at login
    label TEXT,                        -- what the user calls the device
    revoked_at INTEGER,                -- when it was ended, null while it lives
    revoked_reason TEXT,               -- logout | reuse | password_changed | user_inactive |
                                       -- user_deleted | administrator
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) STRICT;

-- "My devices", "log out everywhere", and triggers. Only live sessions are in it, and no column
-- that a rotation changes: a rotation writes one page.
CREATE INDEX auth_sessions_live ON auth_sessions (user_type, user_id) WHERE revoked_at IS NULL;

-- There is no index for pruning: what is over depends on idle_expires_at, and every rotation would
-- pay for it. Pruning reads the table instead, in the background and a part at a time.

-- What the processes have to refuse before it expires by itself. Append only; AUTOINCREMENT, so
-- that a number is never given twice, not even after pruning.
CREATE TABLE auth_revocations (
    seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,          -- session: the tokens and the cookie of session_id
                                 -- foreign: tokens of the user that belong to no session
    session_id BLOB CHECK (length(session_id) = 16),
    user_type TEXT,
    user_id TEXT,
    revoked_at INTEGER NOT NULL,
    reason TEXT NOT NULL,        -- as revoked_reason above
    expires_at INTEGER NOT NULL, -- the end of the last token that this can concern
    CHECK (CASE kind
        WHEN 'session' THEN session_id IS NOT NULL
        WHEN 'foreign' THEN user_type IS NOT NULL AND user_id IS NOT NULL
        ELSE FALSE END)
) STRICT;

-- It needs no other index: it is read from a number on, and pruned from its front.
