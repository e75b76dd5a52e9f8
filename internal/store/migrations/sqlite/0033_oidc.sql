-- When what a session rests on was proved: the password was typed here, or the
-- identity provider says when it last asked the person. 0: it does not say.
ALTER TABLE session ADD COLUMN proved_at INTEGER NOT NULL DEFAULT 0;
UPDATE session SET proved_at = password_at;

-- Sign-ins that are under way at an identity provider. The browser and the answer
-- are known by hashes; what is asked for is sealed.
CREATE TABLE provider_signin (
  id         TEXT PRIMARY KEY,
  browser    BLOB NOT NULL UNIQUE,
  state      BLOB NOT NULL UNIQUE,
  sealed     BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX provider_signin_expires ON provider_signin (expires_at);

-- Whose identity at a provider an account belongs to, since it was first used. Who
-- it is there is a blind index of issuer and subject.
CREATE TABLE provider_identity (
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  issuer     BLOB NOT NULL,
  subject    BLOB NOT NULL,
  bound_at   INTEGER NOT NULL,
  PRIMARY KEY (org_id, account_id, issuer)
) STRICT;
CREATE UNIQUE INDEX provider_identity_subject ON provider_identity (org_id, subject);
