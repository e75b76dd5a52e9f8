-- One attempt to prove one method. No code is stored: it is derived from the nonce.
CREATE TABLE challenge (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  method_id  TEXT NOT NULL,
  kind       TEXT NOT NULL,
  purpose    TEXT NOT NULL CHECK (purpose IN ('reset', 'signin', 'register', 'stepup')),
  owner      TEXT NOT NULL,
  gate       BIGINT NOT NULL,
  nonce      BYTEA NOT NULL,
  digits     BIGINT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'passed', 'ended')),
  message_id TEXT NOT NULL DEFAULT '',
  begun_at   BIGINT NOT NULL,
  sent_at    BIGINT NOT NULL DEFAULT 0,
  expires_at BIGINT NOT NULL,
  passed_at  BIGINT NOT NULL DEFAULT 0
);
-- One live code per account and method, whoever asked for it.
CREATE UNIQUE INDEX challenge_open ON challenge (org_id, account_id, method_id) WHERE state = 'open';
CREATE INDEX challenge_owner ON challenge (owner);
CREATE INDEX challenge_account ON challenge (org_id, account_id);
CREATE INDEX challenge_begun ON challenge (begun_at);
