-- Imports of account files through the console and the API: one live one an organization.
CREATE TABLE bulk_import (
  id            TEXT PRIMARY KEY,
  org_id        TEXT NOT NULL,
  by_account    TEXT NOT NULL,
  format        TEXT NOT NULL,
  state         TEXT NOT NULL,
  skip_bad      BOOLEAN NOT NULL DEFAULT FALSE,
  bytes         BIGINT NOT NULL DEFAULT 0,
  row_count     BIGINT NOT NULL DEFAULT 0,
  at_byte       BIGINT NOT NULL DEFAULT 0,
  at_line       BIGINT NOT NULL DEFAULT 0,
  done_rows     BIGINT NOT NULL DEFAULT 0,
  created_count BIGINT NOT NULL DEFAULT 0,
  updated_count BIGINT NOT NULL DEFAULT 0,
  same_count    BIGINT NOT NULL DEFAULT 0,
  method_count  BIGINT NOT NULL DEFAULT 0,
  bad_count     BIGINT NOT NULL DEFAULT 0,
  live          TEXT UNIQUE,
  created_at    BIGINT NOT NULL,
  changed_at    BIGINT NOT NULL
);
CREATE INDEX bulk_import_org ON bulk_import (org_id, id);

-- The file itself, sealed, until the import ends.
CREATE TABLE bulk_part (
  import_id TEXT NOT NULL,
  n         BIGINT NOT NULL,
  sealed    BYTEA NOT NULL,
  PRIMARY KEY (import_id, n)
);

CREATE TABLE bulk_bad (
  import_id TEXT NOT NULL,
  line      BIGINT NOT NULL,
  field     TEXT NOT NULL,
  reason    TEXT NOT NULL,
  PRIMARY KEY (import_id, line, field)
);
