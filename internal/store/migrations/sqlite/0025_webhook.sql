-- Where an organization's events are sent. Address and secret are sealed.
CREATE TABLE webhook (
  id            TEXT PRIMARY KEY,
  org_id        TEXT NOT NULL,
  host          TEXT NOT NULL,
  sealed        BLOB NOT NULL,
  people        INTEGER NOT NULL,
  created_at    INTEGER NOT NULL,
  next_leaf     INTEGER NOT NULL,
  failures      INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER NOT NULL DEFAULT 0,
  next_at       INTEGER NOT NULL DEFAULT 0,
  last_error    TEXT NOT NULL DEFAULT '',
  delivered_at  INTEGER NOT NULL DEFAULT 0,
  disabled_at   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX webhook_org ON webhook (org_id, id);
