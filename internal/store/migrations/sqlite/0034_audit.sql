-- How far each stream of the audit log is, by its section of the configuration.
CREATE TABLE audit_stream (
  name          TEXT PRIMARY KEY,
  next_leaf     INTEGER NOT NULL,
  failures      INTEGER NOT NULL DEFAULT 0,
  failing_since INTEGER NOT NULL DEFAULT 0,
  next_at       INTEGER NOT NULL DEFAULT 0,
  last_error    TEXT NOT NULL DEFAULT '',
  sent_at       INTEGER NOT NULL DEFAULT 0
) STRICT;

-- How ways back in ended is counted from here on: everything is counted again from
-- the log, which has all that was ever counted.
DELETE FROM report_daily;
DELETE FROM report_cursor;

-- What is shown day by day is found without everything else of the days.
CREATE INDEX report_daily_kind ON report_daily (org_id, kind, day, outcome, reason, n);

-- The same counts by month (years times twelve, plus the month from 0), so that ten
-- years are read like a few weeks.
CREATE TABLE report_monthly (
  org_id      TEXT NOT NULL,
  month       INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  method_kind TEXT NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (org_id, month, kind, outcome, reason, method_kind)
) STRICT;
