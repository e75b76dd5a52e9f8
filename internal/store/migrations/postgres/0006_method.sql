-- Pieces of security info. What identifies or proves a person is in sealed.
CREATE TABLE method (
  id          TEXT PRIMARY KEY,
  org_id      TEXT NOT NULL,
  account_id  TEXT NOT NULL,
  kind        TEXT NOT NULL,
  sealed      BYTEA NOT NULL,
  -- Keyed hash of what makes two methods of one account the same.
  same        BYTEA NOT NULL,
  proved      BOOLEAN NOT NULL DEFAULT FALSE,
  proved_by   TEXT NOT NULL DEFAULT '',
  is_default  BOOLEAN NOT NULL DEFAULT FALSE,
  last_step   BIGINT NOT NULL DEFAULT 0,
  used_codes  BIGINT NOT NULL DEFAULT 0,
  failures    BIGINT NOT NULL DEFAULT 0,
  created_at  BIGINT NOT NULL,
  proved_at   BIGINT NOT NULL DEFAULT 0,
  used_at     BIGINT NOT NULL DEFAULT 0,
  deleted_at  BIGINT NOT NULL DEFAULT 0,
  disabled_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX method_account ON method (org_id, account_id);
CREATE UNIQUE INDEX method_same ON method (org_id, account_id, same)
  WHERE proved AND deleted_at = 0 AND disabled_at = 0;
CREATE INDEX method_deleted ON method (deleted_at) WHERE deleted_at > 0;
CREATE INDEX method_pending ON method (created_at) WHERE NOT proved;
