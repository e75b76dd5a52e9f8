-- Sessions that began at an identity provider, and what it takes to sign out there:
-- the provider, and the ID token where the provider takes it back, sealed. When its
-- person signs out the row is no session's any more and for a moment the browser's,
-- which is known by a hash.
CREATE TABLE provider_session (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  session_id TEXT UNIQUE,
  browser    BYTEA UNIQUE,
  sealed     BYTEA NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX provider_session_account ON provider_session (org_id, account_id);
CREATE INDEX provider_session_expires ON provider_session (expires_at);

-- How each organization's identity provider was when it was last looked at.
CREATE TABLE provider_state (
  org_id    TEXT PRIMARY KEY,
  issuer    TEXT NOT NULL,
  reached   BOOLEAN NOT NULL,
  reason    TEXT NOT NULL,
  signs_out BOOLEAN NOT NULL,
  since     BIGINT NOT NULL,
  looked_at BIGINT NOT NULL
);

-- When an organization's helpdesk was last told how many requests wait.
CREATE TABLE helpdesk_digest (
  org_id  TEXT PRIMARY KEY,
  told_at BIGINT NOT NULL
);
