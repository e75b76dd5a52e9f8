-- Receivers pause instead of being switched off, and events that a receiver cannot
-- take are set aside: a place in the log each, never what the event says.
ALTER TABLE webhook RENAME COLUMN disabled_at TO paused_at;
ALTER TABLE webhook ADD COLUMN pause_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE webhook ADD COLUMN event_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhook ADD COLUMN aside_run INTEGER NOT NULL DEFAULT 0;
UPDATE webhook SET pause_reason = CASE last_error WHEN 'status-410' THEN 'gone' ELSE 'failing' END WHERE paused_at > 0;
CREATE TABLE webhook_aside (
  webhook_id   TEXT NOT NULL,
  leaf         INTEGER NOT NULL,
  event_id     TEXT NOT NULL,
  kind         TEXT NOT NULL,
  tries        INTEGER NOT NULL,
  step         INTEGER NOT NULL DEFAULT 0,
  last_error   TEXT NOT NULL,
  set_aside_at INTEGER NOT NULL,
  tried_at     INTEGER NOT NULL,
  next_at      INTEGER NOT NULL,
  PRIMARY KEY (webhook_id, leaf)
) STRICT;
