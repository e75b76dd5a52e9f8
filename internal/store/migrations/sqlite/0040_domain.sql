-- Proofs that an organization holds a domain, by a record in its DNS. Several may
-- wait for one domain; organization_domain says who has it.
CREATE TABLE domain_proof (
  org_id      TEXT NOT NULL REFERENCES organization (id),
  domain      TEXT NOT NULL,
  token       TEXT NOT NULL,
  reason      TEXT NOT NULL DEFAULT '',
  asked_at    INTEGER NOT NULL,
  checked_at  INTEGER NOT NULL DEFAULT 0,
  verified_at INTEGER NOT NULL DEFAULT 0,
  gone_at     INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (org_id, domain)
) STRICT;
CREATE INDEX domain_proof_verified ON domain_proof (checked_at) WHERE verified_at > 0;
