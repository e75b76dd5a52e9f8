-- Lists of directories that are not ours: who is there, for figures.
CREATE TABLE roster (
  org_id      TEXT PRIMARY KEY,
  config      TEXT NOT NULL DEFAULT '',
  mark        TEXT NOT NULL DEFAULT '',
  pass        BIGINT NOT NULL DEFAULT 0,
  entries     BIGINT NOT NULL DEFAULT 0,
  whole_at    BIGINT NOT NULL DEFAULT 0,
  began_at    BIGINT NOT NULL DEFAULT 0,
  ended_at    BIGINT NOT NULL DEFAULT 0,
  was_whole   BOOLEAN NOT NULL DEFAULT FALSE,
  failed_at   BIGINT NOT NULL DEFAULT 0,
  failure     TEXT NOT NULL DEFAULT '',
  due_at      BIGINT NOT NULL DEFAULT 0,
  holder      TEXT NOT NULL DEFAULT '',
  held_until  BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE roster_entry (
  org_id        TEXT NOT NULL,
  directory_key TEXT NOT NULL,
  pass          BIGINT NOT NULL,
  facts         TEXT NOT NULL,
  PRIMARY KEY (org_id, directory_key)
);
