-- Organizations; document is the whole as JSON.
CREATE TABLE organization (
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,
  document   TEXT NOT NULL,
  version    INTEGER NOT NULL,
  revision   TEXT NOT NULL,      -- another one with every change, never used twice
  created_at INTEGER NOT NULL
) STRICT;

-- A domain belongs to one organization.
CREATE TABLE organization_domain (
  domain TEXT PRIMARY KEY,
  org_id TEXT NOT NULL REFERENCES organization (id)
) STRICT;
CREATE INDEX organization_domain_org ON organization_domain (org_id);
