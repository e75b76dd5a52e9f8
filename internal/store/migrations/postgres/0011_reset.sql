-- Flows of a forgotten password. The token is in the person's cookie; only its hash is here.
CREATE TABLE reset_flow (
  id         TEXT PRIMARY KEY,
  token_hash BYTEA NOT NULL,
  org_id     TEXT NOT NULL DEFAULT '',
  account_id TEXT NOT NULL DEFAULT '',
  typed      BYTEA NOT NULL,
  reason     TEXT NOT NULL CHECK (reason IN ('forgot', 'never_received', 'locked')),
  lang       TEXT NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('choosing', 'verifying', 'choosing-password', 'writing', 'done', 'unlocked', 'problem')),
  problem    TEXT NOT NULL DEFAULT '',
  method_id  TEXT NOT NULL DEFAULT '',
  counted    BOOLEAN NOT NULL DEFAULT FALSE,
  failed     BOOLEAN NOT NULL DEFAULT FALSE,
  attempt    TEXT NOT NULL DEFAULT '',
  writing_at BIGINT NOT NULL DEFAULT 0,
  retry_at   BIGINT NOT NULL DEFAULT 0,
  started_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX reset_flow_token ON reset_flow (token_hash);
CREATE INDEX reset_flow_account ON reset_flow (org_id, account_id);
CREATE INDEX reset_flow_expires ON reset_flow (expires_at);
-- "This wasn't me" links of notices.
CREATE TABLE reset_dispute (
  token_hash BYTEA PRIMARY KEY,
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  typed      BYTEA NOT NULL,
  flow_id    TEXT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX reset_dispute_expires ON reset_dispute (expires_at);
