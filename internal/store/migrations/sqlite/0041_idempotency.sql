-- Keys that programs send so that a request acts once. Neither a key nor a request
-- is here, only values that mean nothing without the keyset; answers are sealed.
CREATE TABLE idempotency (
  id          TEXT PRIMARY KEY,
  claim       TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  done        INTEGER NOT NULL,
  sealed      BLOB,
  claimed_at  INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_expires ON idempotency (expires_at);
