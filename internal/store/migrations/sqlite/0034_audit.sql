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
