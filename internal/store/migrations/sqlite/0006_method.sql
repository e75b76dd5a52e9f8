-- Pieces of security info. What identifies or proves a person is in sealed.
CREATE TABLE method (
  id          TEXT PRIMARY KEY,
  org_id      TEXT NOT NULL,
  account_id  TEXT NOT NULL,
  kind        TEXT NOT NULL,
  sealed      BLOB NOT NULL,
  -- Keyed hash of what makes two methods of one account the same.
  same        BLOB NOT NULL,
  proved      INTEGER NOT NULL DEFAULT 0 CHECK (proved IN (0, 1)),
  proved_by   TEXT NOT NULL DEFAULT '',
  is_default  INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1)),
  last_step   INTEGER NOT NULL DEFAULT 0,
  used_codes  INTEGER NOT NULL DEFAULT 0,
  failures    INTEGER NOT NULL DEFAULT 0,
  created_at  INTEGER NOT NULL,
  proved_at   INTEGER NOT NULL DEFAULT 0,
  used_at     INTEGER NOT NULL DEFAULT 0,
  deleted_at  INTEGER NOT NULL DEFAULT 0,
  disabled_at INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX method_account ON method (org_id, account_id);
CREATE UNIQUE INDEX method_same ON method (org_id, account_id, same)
  WHERE proved = 1 AND deleted_at = 0 AND disabled_at = 0;
CREATE INDEX method_deleted ON method (deleted_at) WHERE deleted_at > 0;
CREATE INDEX method_pending ON method (created_at) WHERE proved = 0;
