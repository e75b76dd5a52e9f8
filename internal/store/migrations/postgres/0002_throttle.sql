-- Counters of tries; times in microseconds.
CREATE TABLE throttle (
  key          TEXT COLLATE "C" PRIMARY KEY,
  tries        BIGINT NOT NULL,
  window_end   BIGINT NOT NULL,
  locked_until BIGINT NOT NULL,
  locked_at    BIGINT NOT NULL,
  refusals     BIGINT NOT NULL
);
CREATE INDEX throttle_over ON throttle (window_end, locked_until);
