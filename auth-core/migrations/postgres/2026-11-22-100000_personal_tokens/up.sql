-- Personal tokens are rows of the carrier `personal`: opaque secrets that users make for their programs.
-- `secret_hash` is the SHA-256 of theirs, `label` their name, `last_seen_at` their last use.

-- What a personal token is limited to, separated by spaces; null for all that its user may do.
ALTER TABLE auth_sessions ADD COLUMN scopes text;
