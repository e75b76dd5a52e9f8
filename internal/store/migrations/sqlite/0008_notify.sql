-- Messages on their way out. Recipient and payload are sealed, and empty once the message is done.
CREATE TABLE notify_message (
  id          TEXT PRIMARY KEY,
  org_id      TEXT NOT NULL,
  account_id  TEXT NOT NULL DEFAULT '',
  kind        TEXT NOT NULL,
  message_key TEXT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('queued', 'sent', 'failed', 'expired')),
  recipient   BLOB,
  payload     BLOB,
  reason      TEXT NOT NULL DEFAULT '',
  attempts    INTEGER NOT NULL DEFAULT 0,
  queued_at   INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL DEFAULT 0,
  done_at     INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX notify_message_key ON notify_message (org_id, message_key);
CREATE INDEX notify_message_done ON notify_message (done_at);
