-- Accounts of organizations whose directory is Kunci itself.
CREATE TABLE embedded_account (
  account_key         TEXT PRIMARY KEY,
  org_id              TEXT NOT NULL,
  user_id             TEXT NOT NULL,
  display_name        TEXT NOT NULL DEFAULT '',
  given_name          TEXT NOT NULL DEFAULT '',
  family_name         TEXT NOT NULL DEFAULT '',
  language            TEXT NOT NULL DEFAULT '',
  -- One name a line.
  group_names         TEXT NOT NULL DEFAULT '',
  source              TEXT NOT NULL DEFAULT 'managed',
  disabled            BOOLEAN NOT NULL DEFAULT FALSE,
  must_change         BOOLEAN NOT NULL DEFAULT FALSE,
  -- Keyed hashes; past ones one a line, latest first.
  password            TEXT NOT NULL DEFAULT '',
  past_passwords      TEXT NOT NULL DEFAULT '',
  -- What the last account file said, so that reading it again changes nothing.
  file_password       TEXT NOT NULL DEFAULT '',
  password_version    BIGINT NOT NULL DEFAULT 0,
  password_changed_at BIGINT NOT NULL DEFAULT 0,
  failures            BIGINT NOT NULL DEFAULT 0,
  locked_until        BIGINT NOT NULL DEFAULT 0,
  -- Keyed outputs of the last wrong passwords, 16 bytes each.
  wrong               BYTEA NOT NULL,
  created_at          BIGINT NOT NULL
);
CREATE UNIQUE INDEX embedded_account_user ON embedded_account (org_id, user_id);
