-- Browsers by the hash of their cookie's token.
CREATE TABLE browser (
  id         TEXT PRIMARY KEY,
  token      BLOB NOT NULL UNIQUE,
  current_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE session (
  id          TEXT PRIMARY KEY,
  browser_id  TEXT NOT NULL,
  org_id      TEXT NOT NULL,
  account_id  TEXT NOT NULL,
  level       TEXT NOT NULL,
  must_change INTEGER NOT NULL,
  password_at INTEGER NOT NULL,
  factor_at   INTEGER NOT NULL,
  factor_id   TEXT NOT NULL,
  created_at  INTEGER NOT NULL,
  seen_at     INTEGER NOT NULL,
  ended_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX session_living ON session (browser_id, account_id) WHERE ended_at = 0;
CREATE INDEX session_account ON session (account_id) WHERE ended_at = 0;
CREATE INDEX session_created ON session (created_at);

-- What the account picker of a browser shows; who it is is sealed.
CREATE TABLE browser_account (
  id         TEXT PRIMARY KEY,
  browser_id TEXT NOT NULL,
  org_id     TEXT NOT NULL,
  account_id TEXT NOT NULL,
  sealed     BLOB NOT NULL,
  used_at    INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX browser_account_one ON browser_account (browser_id, account_id);
