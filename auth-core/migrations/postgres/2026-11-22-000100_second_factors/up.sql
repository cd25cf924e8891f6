-- The second factor of somebody: a secret that an authenticator app shares, and recovery codes.
--
-- A row stays until the factor is removed. Whoever deletes a user and may give the id to another one deletes
-- the row as well.
CREATE TABLE auth_factors (
    user_type text NOT NULL,
    user_id text NOT NULL,
    secret bytea NOT NULL,         -- encrypted (1, nonce, ciphertext, tag) or, without a key, as it is (0, secret)
    created_at bigint NOT NULL,    -- when the secret was shown
    confirmed_at bigint,           -- when the first code was; null until then, and nothing is asked for
    last_step bigint NOT NULL,     -- the period of 30 seconds whose code was last accepted
    tries bigint NOT NULL,         -- how many codes were tried since one was right
    tries_until bigint NOT NULL,   -- when that begins anew
    recovery_hashes bytea NOT NULL CHECK (octet_length(recovery_hashes) % 32 = 0), -- SHA-256 of each that is left
    PRIMARY KEY (user_type, user_id)
);
