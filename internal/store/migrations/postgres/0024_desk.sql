-- A person who calls the helpdesk is verified by a code: a purpose of its own.
ALTER TABLE challenge DROP CONSTRAINT challenge_purpose_check;
ALTER TABLE challenge ADD CONSTRAINT challenge_purpose_check
  CHECK (purpose IN ('reset', 'signin', 'register', 'stepup', 'caller'));

-- Who works on a request. Who that is and what was answered are sealed.
ALTER TABLE helpdesk_request ADD COLUMN assigned_to TEXT NOT NULL DEFAULT '';
ALTER TABLE helpdesk_request ADD COLUMN assignment BYTEA;

-- When the open requests of an organization were last mailed.
CREATE TABLE helpdesk_digest (
  org_id TEXT PRIMARY KEY,
  day    BIGINT NOT NULL
);
