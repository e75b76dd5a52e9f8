-- Keyed hash of a passkey's credential id. Nobody can register a credential that
-- somebody has, in any organization (WebAuthn Level 3, 7.1, step 26).
ALTER TABLE method ADD COLUMN credential BLOB;
CREATE UNIQUE INDEX method_credential ON method (credential) WHERE credential IS NOT NULL;
