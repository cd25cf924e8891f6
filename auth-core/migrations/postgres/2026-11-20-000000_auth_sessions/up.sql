-- Sessions and revocations of auth-core. All times are milliseconds since 1970-01-01T00:00:00Z.
--
-- Triggers of the application may end sessions, and then have to append what the processes must
-- hear of. (The checks below refuse half a change.) When a user is deleted, and an access token
-- lives for five minutes:
--
--   WITH ended AS (
--       UPDATE auth_sessions
--       SET revoked_at = extract(epoch FROM now()) * 1000, revoked_reason = 'user_deleted'
--       WHERE user_type = 'user' AND user_id = OLD.id::text AND revoked_at IS NULL
--       RETURNING id, revoked_at, revoked_reason)
--   INSERT INTO auth_revocations (kind, session_id, revoked_at, reason, expires_at)
--       SELECT 'session', id, revoked_at, revoked_reason, revoked_at + 300000 FROM ended;

-- One login on one device. The fill factor leaves room in each page, and no index has a column
-- that a rotation changes, so that a rotation is a HOT update: it writes no index.
CREATE TABLE auth_sessions (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 16), -- random; the `sid` claim
    user_type text NOT NULL,          -- the kind of user, `user` unless there are several
    user_id text NOT NULL,            -- the user's id within that kind
    carrier text NOT NULL,            -- token | single | cookie
    generation bigint NOT NULL,       -- which refresh token is current, 0 at login
    rotated_at bigint NOT NULL,       -- when that one became current
    secret_hash bytea CHECK (octet_length(secret_hash) = 32), -- SHA-256 of the cookie's secret
    created_at bigint NOT NULL,       -- the login
    authenticated_at bigint,         -- when the user last proved who they are, if known
    last_seen_at bigint NOT NULL,     -- the last sign of life
    idle_expires_at bigint NOT NULL,  -- the end unless it is used again; moves on
    expires_at bigint NOT NULL,       -- the absolute end, never extended
    methods text NOT NULL,            -- words of the `amr` claim, separated by a space
    ip text,                          -- at login
    user_agent text,                  -- at login
    label text,                       -- what the user calls the device
    revoked_at bigint,                -- when it was ended, null while it lives
    revoked_reason text,              -- logout | reuse | password_changed | user_inactive |
                                      -- user_deleted | administrator
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) WITH (fillfactor = 80);

-- "My devices", "log out everywhere", and triggers. Only live sessions are in it.
CREATE INDEX auth_sessions_live ON auth_sessions (user_type, user_id) WHERE revoked_at IS NULL;

-- There is no index for pruning: what is over depends on idle_expires_at, and every rotation would
-- pay for it. Pruning reads the table instead, in the background and a part at a time.

-- What the processes have to refuse before it expires by itself. Append only.
CREATE TABLE auth_revocations (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,         -- session: the tokens and the cookie of session_id
                                -- foreign: tokens of the user that belong to no session
    session_id bytea CHECK (octet_length(session_id) = 16),
    user_type text,
    user_id text,
    revoked_at bigint NOT NULL,
    reason text NOT NULL,       -- as revoked_reason above
    expires_at bigint NOT NULL, -- the end of the last token that this can concern
    CHECK (CASE kind
        WHEN 'session' THEN session_id IS NOT NULL
        WHEN 'foreign' THEN user_type IS NOT NULL AND user_id IS NOT NULL
        ELSE FALSE END)
);

-- It needs no other index: it is read from a number on, and pruned from its front.
