-- Hardware tokens that administrators brought. Secret and make are in sealed.
CREATE TABLE token (
  id          TEXT PRIMARY KEY,
  org_id      TEXT NOT NULL,
  serial      TEXT NOT NULL,
  sealed      BYTEA NOT NULL,
  -- Keyed hash of the secret: no two tokens of an organization have one.
  same        BYTEA NOT NULL,
  account_id  TEXT NOT NULL DEFAULT '',
  -- The method that used it last.
  method_id   TEXT NOT NULL DEFAULT '',
  -- Highest accepted step or counter; how far its clock is off, in steps; the
  -- step or counter that would bring it back in step.
  last_step   BIGINT NOT NULL,
  drift       BIGINT NOT NULL DEFAULT 0,
  resync      BIGINT NOT NULL DEFAULT 0,
  created_at  BIGINT NOT NULL,
  assigned_at BIGINT NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX token_serial ON token (org_id, serial);
CREATE UNIQUE INDEX token_same ON token (org_id, same);
CREATE INDEX token_account ON token (org_id, account_id) WHERE account_id <> '';
