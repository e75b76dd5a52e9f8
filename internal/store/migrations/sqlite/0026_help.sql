-- What readers say about the help. Nobody is named: no account, no address,
-- and of the time only the day (days since 1970, UTC).
CREATE TABLE help_feedback (
  id       TEXT PRIMARY KEY,
  day      INTEGER NOT NULL,
  -- Empty where no organization was known.
  org_id   TEXT NOT NULL,
  article  TEXT NOT NULL,
  lang     TEXT NOT NULL,
  helpful  INTEGER NOT NULL CHECK (helpful IN (0, 1)),
  -- From 1 to 5; 0: not said.
  quality  INTEGER NOT NULL CHECK (quality BETWEEN 0 AND 5),
  -- Names, with commas between them.
  affected TEXT NOT NULL,
  comment  TEXT NOT NULL
) STRICT;
CREATE INDEX help_feedback_day ON help_feedback (day, id);
