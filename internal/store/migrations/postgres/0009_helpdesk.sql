-- Requests for help. Who asks and what they wrote are sealed.
CREATE TABLE helpdesk_request (
  id           TEXT PRIMARY KEY,
  org_id       TEXT NOT NULL,
  account_id   TEXT NOT NULL,
  problem      TEXT NOT NULL,
  state        TEXT NOT NULL CHECK (state IN ('open', 'resolved')),
  sealed       BYTEA NOT NULL,
  support_code TEXT NOT NULL DEFAULT '',
  opened_at    BIGINT NOT NULL,
  resolved_at  BIGINT NOT NULL DEFAULT 0,
  resolution   BYTEA
);
CREATE INDEX helpdesk_request_org ON helpdesk_request (org_id, id);
CREATE INDEX helpdesk_request_account ON helpdesk_request (org_id, account_id, state);
