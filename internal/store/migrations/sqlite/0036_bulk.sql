-- Imports of account files through the console and the API: one live one an organization.
CREATE TABLE bulk_import (
  id            TEXT PRIMARY KEY,
  org_id        TEXT NOT NULL,
  by_account    TEXT NOT NULL,
  format        TEXT NOT NULL,
  state         TEXT NOT NULL,
  skip_bad      INTEGER NOT NULL DEFAULT 0,
  bytes         INTEGER NOT NULL DEFAULT 0,
  row_count     INTEGER NOT NULL DEFAULT 0,
  at_byte       INTEGER NOT NULL DEFAULT 0,
  at_line       INTEGER NOT NULL DEFAULT 0,
  done_rows     INTEGER NOT NULL DEFAULT 0,
  created_count INTEGER NOT NULL DEFAULT 0,
  updated_count INTEGER NOT NULL DEFAULT 0,
  same_count    INTEGER NOT NULL DEFAULT 0,
  method_count  INTEGER NOT NULL DEFAULT 0,
  bad_count     INTEGER NOT NULL DEFAULT 0,
  live          TEXT UNIQUE,
  created_at    INTEGER NOT NULL,
  changed_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX bulk_import_org ON bulk_import (org_id, id);

-- The file itself, sealed, until the import ends.
CREATE TABLE bulk_part (
  import_id TEXT NOT NULL,
  n         INTEGER NOT NULL,
  sealed    BLOB NOT NULL,
  PRIMARY KEY (import_id, n)
) STRICT;

CREATE TABLE bulk_bad (
  import_id TEXT NOT NULL,
  line      INTEGER NOT NULL,
  field     TEXT NOT NULL,
  reason    TEXT NOT NULL,
  PRIMARY KEY (import_id, line, field)
) STRICT;
