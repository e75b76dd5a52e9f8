-- One attempt to prove one method. No code is stored: it is derived from the nonce.
CREATE TABLE challenge (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  method_id  TEXT NOT NULL,
  kind       TEXT NOT NULL,
  purpose    TEXT NOT NULL CHECK (purpose IN ('reset', 'signin', 'register', 'stepup')),
  owner      TEXT NOT NULL,
  gate       INTEGER NOT NULL,
  nonce      BLOB NOT NULL,
  digits     INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('open', 'passed', 'ended')),
  message_id TEXT NOT NULL DEFAULT '',
  begun_at   INTEGER NOT NULL,
  sent_at    INTEGER NOT NULL DEFAULT 0,
  expires_at INTEGER NOT NULL,
  passed_at  INTEGER NOT NULL DEFAULT 0
) STRICT;
-- One live code per account and method, whoever asked for it.
CREATE UNIQUE INDEX challenge_open ON challenge (org_id, account_id, method_id) WHERE state = 'open';
CREATE INDEX challenge_owner ON challenge (owner);
CREATE INDEX challenge_account ON challenge (org_id, account_id);
CREATE INDEX challenge_begun ON challenge (begun_at);
