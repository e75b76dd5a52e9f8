-- What Kunci itself knows of a person; names and passwords are the directory's.
CREATE TABLE account (
  id                 TEXT PRIMARY KEY,
  org_id             TEXT NOT NULL,
  directory_key      TEXT NOT NULL,
  registered_at      INTEGER NOT NULL DEFAULT 0,
  reconfirmed_at     INTEGER NOT NULL DEFAULT 0,
  skips_used         INTEGER NOT NULL DEFAULT 0,
  first_asked_at     INTEGER NOT NULL DEFAULT 0,
  must_register      INTEGER NOT NULL DEFAULT 0 CHECK (must_register IN (0, 1)),
  frozen_at          INTEGER NOT NULL DEFAULT 0,
  last_reset_at      INTEGER NOT NULL DEFAULT 0,
  last_reset_methods TEXT NOT NULL DEFAULT '',
  -- Keyed marks of the methods an account file named last, one a line.
  file_methods       TEXT NOT NULL DEFAULT '',
  created_at         INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX account_directory_key ON account (org_id, directory_key);
