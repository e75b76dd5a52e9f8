-- Wrong passwords for user IDs that have no account, by a blind index: they lock
-- as those of an account do, so that the lock does not tell who exists.
CREATE TABLE signin_nobody (
  id           BLOB PRIMARY KEY,
  failures     INTEGER NOT NULL,
  locked_until INTEGER NOT NULL,
  wrong        BLOB NOT NULL,
  seen_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX signin_nobody_seen ON signin_nobody (seen_at);

-- The sessions whose interrupt was answered: once each.
CREATE TABLE signin_interrupt (
  session_id  TEXT PRIMARY KEY,
  answered_at INTEGER NOT NULL
) STRICT;
CREATE INDEX signin_interrupt_answered ON signin_interrupt (answered_at);
