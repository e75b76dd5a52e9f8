-- Lists of directories that are not ours: who is there, for figures.
CREATE TABLE roster (
  org_id      TEXT PRIMARY KEY,
  config      TEXT NOT NULL DEFAULT '',
  mark        TEXT NOT NULL DEFAULT '',
  pass        INTEGER NOT NULL DEFAULT 0,
  entries     INTEGER NOT NULL DEFAULT 0,
  whole_at    INTEGER NOT NULL DEFAULT 0,
  began_at    INTEGER NOT NULL DEFAULT 0,
  ended_at    INTEGER NOT NULL DEFAULT 0,
  was_whole   INTEGER NOT NULL DEFAULT 0,
  failed_at   INTEGER NOT NULL DEFAULT 0,
  failure     TEXT NOT NULL DEFAULT '',
  due_at      INTEGER NOT NULL DEFAULT 0,
  holder      TEXT NOT NULL DEFAULT '',
  held_until  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE roster_entry (
  org_id        TEXT NOT NULL,
  directory_key TEXT NOT NULL,
  pass          INTEGER NOT NULL,
  facts         TEXT NOT NULL,
  PRIMARY KEY (org_id, directory_key)
) STRICT, WITHOUT ROWID;
