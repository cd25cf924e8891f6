-- What only refused tokens with old rights would refuse whole sessions without its column. The
-- tokens live for minutes.
DELETE FROM auth_revocations WHERE rights_version IS NOT NULL;
DROP INDEX auth_revocations_foreign;
ALTER TABLE auth_revocations DROP COLUMN rights_version;
ALTER TABLE auth_sessions DROP COLUMN secret_nonce;
ALTER TABLE auth_sessions DROP COLUMN refreshes_until;
ALTER TABLE auth_sessions DROP COLUMN rights_version;
