-- Receivers pause instead of being switched off, and events that a receiver cannot
-- take are set aside: a place in the log each, never what the event says.
ALTER TABLE webhook RENAME COLUMN disabled_at TO paused_at;
ALTER TABLE webhook ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN event_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE webhook ADD COLUMN aside_run BIGINT NOT NULL DEFAULT 0;
UPDATE webhook SET pause_reason = CASE last_error WHEN 'status-410' THEN 'gone' ELSE 'failing' END WHERE paused_at > 0;
CREATE TABLE webhook_aside (
  webhook_id   TEXT NOT NULL,
  leaf         BIGINT NOT NULL,
  event_id     TEXT NOT NULL,
  kind         TEXT NOT NULL,
  tries        BIGINT NOT NULL,
  step         BIGINT NOT NULL DEFAULT 0,
  last_error   TEXT NOT NULL,
  set_aside_at BIGINT NOT NULL,
  tried_at     BIGINT NOT NULL,
  next_at      BIGINT NOT NULL,
  PRIMARY KEY (webhook_id, leaf)
);
