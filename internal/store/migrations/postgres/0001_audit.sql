-- What happened. leaf is the place in the Merkle log, -1 while it waits for one.
CREATE TABLE audit_event (
  id          TEXT COLLATE "C" PRIMARY KEY,
  org_id      TEXT NOT NULL,
  at          BIGINT NOT NULL,
  kind        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  actor_kind  TEXT NOT NULL,
  actor       TEXT NOT NULL,
  target      TEXT NOT NULL,
  method_id   TEXT NOT NULL,
  method_kind TEXT NOT NULL,
  correlation TEXT NOT NULL,
  detail      TEXT NOT NULL,
  actor_key   TEXT NOT NULL,
  actor_data  BYTEA,
  target_key  TEXT NOT NULL,
  target_data BYTEA,
  leaf        BIGINT NOT NULL
);
CREATE UNIQUE INDEX audit_event_leaf ON audit_event (leaf) WHERE leaf >= 0;
CREATE INDEX audit_event_waiting ON audit_event (at, id) WHERE leaf = -1;
CREATE INDEX audit_event_org ON audit_event (org_id, id);
CREATE INDEX audit_event_target ON audit_event (target, id);

-- The keys that seal people in events; an erased one is empty.
CREATE TABLE audit_person (
  id        TEXT PRIMARY KEY,
  subject   BYTEA NOT NULL,
  sealed    BYTEA NOT NULL,
  erased_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX audit_person_subject ON audit_person (subject) WHERE erased_at = 0;

-- The stored hashes of the log, in the order of golang.org/x/mod/sumdb/tlog,
-- 256 of 32 bytes to a block; the last block grows.
CREATE TABLE audit_hash (
  block  BIGINT PRIMARY KEY,
  hashes BYTEA NOT NULL
);

-- Signed tree heads.
CREATE TABLE audit_checkpoint (
  size BIGINT PRIMARY KEY,
  text TEXT NOT NULL
);
