-- How far the log has been counted, in places of the log. One row.
CREATE TABLE report_cursor (
  id        INTEGER PRIMARY KEY CHECK (id = 1),
  next_leaf INTEGER NOT NULL
) STRICT;

-- What happened, counted by day (days since 1970, UTC).
CREATE TABLE report_daily (
  org_id      TEXT NOT NULL,
  day         INTEGER NOT NULL,
  kind        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  method_kind TEXT NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (org_id, day, kind, outcome, reason, method_kind)
) STRICT;

-- How many people could help themselves at the end of a day.
CREATE TABLE report_registration (
  org_id     TEXT NOT NULL,
  day        INTEGER NOT NULL,
  counted_at INTEGER NOT NULL,
  -- The figures as JSON; their names are those of report.Registration.
  figures    TEXT NOT NULL,
  PRIMARY KEY (org_id, day)
) STRICT;
