-- Texts and calls: how a message leaves, and whether the far end says it arrived.
ALTER TABLE notify_message ADD COLUMN channel TEXT NOT NULL DEFAULT 'email';
ALTER TABLE notify_message ADD COLUMN delivered_at INTEGER NOT NULL DEFAULT 0;

-- A phone is proved by text or by call. Before a reset sends anything the person types the whole number.
ALTER TABLE challenge ADD COLUMN channel TEXT NOT NULL DEFAULT '';
ALTER TABLE challenge ADD COLUMN typed_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE challenge ADD COLUMN counted_at INTEGER NOT NULL DEFAULT 0;

-- How many codes an organization sent by phone, and how many of them were used, by the time of sending.
CREATE TABLE challenge_phone (
  org_id TEXT NOT NULL,
  slot   INTEGER NOT NULL,
  sent   INTEGER NOT NULL DEFAULT 0,
  passed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, slot)
) STRICT;

-- Organizations whose texts and calls pause, or did.
CREATE TABLE challenge_phone_pause (
  org_id       TEXT PRIMARY KEY,
  paused_until INTEGER NOT NULL
) STRICT;
