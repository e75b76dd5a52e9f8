-- Wrong passwords for user IDs that have no account, by a blind index: they lock
-- as those of an account do, so that the lock does not tell who exists.
CREATE TABLE signin_nobody (
  id           BYTEA PRIMARY KEY,
  failures     BIGINT NOT NULL,
  locked_until BIGINT NOT NULL,
  wrong        BYTEA NOT NULL,
  seen_at      BIGINT NOT NULL
);
CREATE INDEX signin_nobody_seen ON signin_nobody (seen_at);

-- The sessions whose interrupt was answered: once each.
CREATE TABLE signin_interrupt (
  session_id  TEXT PRIMARY KEY,
  answered_at BIGINT NOT NULL
);
CREATE INDEX signin_interrupt_answered ON signin_interrupt (answered_at);
