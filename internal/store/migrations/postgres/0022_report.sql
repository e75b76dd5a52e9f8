-- How far the log has been counted, in places of the log. One row.
CREATE TABLE report_cursor (
  id        BIGINT PRIMARY KEY CHECK (id = 1),
  next_leaf BIGINT NOT NULL
);

-- What happened, counted by day (days since 1970, UTC).
CREATE TABLE report_daily (
  org_id      TEXT NOT NULL,
  day         BIGINT NOT NULL,
  kind        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  method_kind TEXT NOT NULL,
  n           BIGINT NOT NULL,
  PRIMARY KEY (org_id, day, kind, outcome, reason, method_kind)
);

-- How many people could help themselves at the end of a day.
CREATE TABLE report_registration (
  org_id     TEXT NOT NULL,
  day        BIGINT NOT NULL,
  counted_at BIGINT NOT NULL,
  -- The figures as JSON; their names are those of report.Registration.
  figures    TEXT NOT NULL,
  PRIMARY KEY (org_id, day)
);

-- Accounts are listed in the order of bytes, as on SQLite, whatever the
-- database's own order is.
ALTER TABLE embedded_account ALTER COLUMN user_id TYPE TEXT COLLATE "C";
