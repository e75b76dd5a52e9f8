-- Keys that programs send so that a request acts once. Neither a key nor a request
-- is here, only values that mean nothing without the keyset; answers are sealed.
CREATE TABLE idempotency (
  id          TEXT PRIMARY KEY,
  claim       TEXT NOT NULL,
  fingerprint BYTEA NOT NULL,
  done        BIGINT NOT NULL,
  sealed      BYTEA,
  claimed_at  BIGINT NOT NULL,
  expires_at  BIGINT NOT NULL
);
CREATE INDEX idempotency_expires ON idempotency (expires_at);
