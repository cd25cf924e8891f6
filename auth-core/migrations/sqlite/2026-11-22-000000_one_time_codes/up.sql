-- One-time codes and links. Nothing here can be used by who reads it: there are only hashes.

-- The outstanding code of somebody for a purpose: one at a time, for minutes. Who is asked about and does not
-- exist shares one row, with an empty user_type and user_id, so that a question costs the same.
CREATE TABLE auth_codes (
    purpose TEXT NOT NULL,         -- what the code is good for: login, …
    user_type TEXT NOT NULL,
    user_id TEXT NOT NULL,
    code_hash TEXT NOT NULL,       -- argon2id, in PHC format: a code is short
    issued_at INTEGER NOT NULL,    -- when this code was made
    expires_at INTEGER NOT NULL,   -- its end; the row may go then
    tries INTEGER NOT NULL,        -- how many codes were tried, this one and those before it
    tries_until INTEGER NOT NULL,  -- when that begins anew: the end of the first code
    requests INTEGER NOT NULL,     -- how often a code was asked for since then
    PRIMARY KEY (purpose, user_type, user_id)
) STRICT, WITHOUT ROWID;

-- For pruning. A code changes rarely, unlike a session.
CREATE INDEX auth_codes_expires_at ON auth_codes (expires_at);

-- Links that were sent to somebody: to verify an address, to choose a new password.
CREATE TABLE auth_links (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32), -- SHA-256 of 256 random bits
    purpose TEXT NOT NULL,         -- what the link is good for: verify_address, reset_password, …
    user_type TEXT NOT NULL,
    user_id TEXT NOT NULL,
    subject TEXT NOT NULL,         -- what it was sent to, such as the address
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,   -- its end; the row may go then
    used_at INTEGER                -- when it, or another for the same, was used; null before
) STRICT;

-- Using one link ends the others for the same purpose.
CREATE INDEX auth_links_unused ON auth_links (user_type, user_id, purpose) WHERE used_at IS NULL;

CREATE INDEX auth_links_expires_at ON auth_links (expires_at);
