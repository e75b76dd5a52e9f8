-- When what a session rests on was proved: the password was typed here, or the
-- identity provider says when it last asked the person. 0: it does not say.
ALTER TABLE session ADD COLUMN proved_at BIGINT NOT NULL DEFAULT 0;
UPDATE session SET proved_at = password_at;

-- Sign-ins that are under way at an identity provider. The browser and the answer
-- are known by hashes; what is asked for is sealed.
CREATE TABLE provider_signin (
  id         TEXT PRIMARY KEY,
  browser    BYTEA NOT NULL UNIQUE,
  state      BYTEA NOT NULL UNIQUE,
  sealed     BYTEA NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX provider_signin_expires ON provider_signin (expires_at);

-- Whose identity at a provider an account belongs to, since it was first used. Who
-- it is there is a blind index of issuer and subject.
CREATE TABLE provider_identity (
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  issuer     BYTEA NOT NULL,
  subject    BYTEA NOT NULL,
  bound_at   BIGINT NOT NULL,
  PRIMARY KEY (org_id, account_id, issuer)
);
CREATE UNIQUE INDEX provider_identity_subject ON provider_identity (org_id, subject);
