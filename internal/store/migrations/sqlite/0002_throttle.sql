-- Counters of tries; times in microseconds.
CREATE TABLE throttle (
  key          TEXT PRIMARY KEY,
  tries        INTEGER NOT NULL,
  window_end   INTEGER NOT NULL,
  locked_until INTEGER NOT NULL,
  locked_at    INTEGER NOT NULL,
  refusals     INTEGER NOT NULL
) STRICT;
CREATE INDEX throttle_over ON throttle (window_end, locked_until);
