-- Keys of programs that administer an organization. Of a key only its hash is here.
CREATE TABLE api_key (
  id         TEXT PRIMARY KEY,
  org_id     TEXT NOT NULL,
  name       TEXT NOT NULL,
  role       TEXT NOT NULL,
  hash       BYTEA NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at    BIGINT NOT NULL DEFAULT 0,
  revoked_at BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX api_key_org ON api_key (org_id, id);
