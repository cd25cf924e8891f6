DROP TRIGGER auth_revocations_appended ON auth_revocations;
DROP FUNCTION auth_revocations_appended();
-- What only refused tokens with old rights would refuse whole sessions without its column. The
-- tokens live for minutes.
DELETE FROM auth_revocations WHERE rights_version IS NOT NULL;
DROP INDEX auth_revocations_foreign;
ALTER TABLE auth_revocations DROP COLUMN xid, DROP COLUMN rights_version;
ALTER TABLE auth_sessions
    DROP COLUMN secret_nonce,
    DROP COLUMN refreshes_until,
    DROP COLUMN rights_version;
