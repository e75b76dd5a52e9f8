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
  disabled            INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  must_change         INTEGER NOT NULL DEFAULT 0 CHECK (must_change IN (0, 1)),
  -- Keyed hashes; past ones one a line, latest first.
  password            TEXT NOT NULL DEFAULT '',
  past_passwords      TEXT NOT NULL DEFAULT '',
  -- What the last account file said, so that reading it again changes nothing.
  file_password       TEXT NOT NULL DEFAULT '',
  password_version    INTEGER NOT NULL DEFAULT 0,
  password_changed_at INTEGER NOT NULL DEFAULT 0,
  failures            INTEGER NOT NULL DEFAULT 0,
  locked_until        INTEGER NOT NULL DEFAULT 0,
  -- Keyed outputs of the last wrong passwords, 16 bytes each.
  wrong               BLOB NOT NULL,
  created_at          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX embedded_account_user ON embedded_account (org_id, user_id);
