-- Where an organization's events are sent. Address and secret are sealed.
CREATE TABLE webhook (
  id            TEXT PRIMARY KEY,
  org_id        TEXT NOT NULL,
  host          TEXT NOT NULL,
  sealed        BYTEA NOT NULL,
  people        BIGINT NOT NULL,
  created_at    BIGINT NOT NULL,
  next_leaf     BIGINT NOT NULL,
  failures      BIGINT NOT NULL DEFAULT 0,
  failing_since BIGINT NOT NULL DEFAULT 0,
  next_at       BIGINT NOT NULL DEFAULT 0,
  last_error    TEXT NOT NULL DEFAULT '',
  delivered_at  BIGINT NOT NULL DEFAULT 0,
  disabled_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX webhook_org ON webhook (org_id, id);
