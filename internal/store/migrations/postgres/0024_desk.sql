-- A person who calls the helpdesk is verified by a code: a purpose of its own.
ALTER TABLE challenge DROP CONSTRAINT challenge_purpose_check;
ALTER TABLE challenge ADD CONSTRAINT challenge_purpose_check
  CHECK (purpose IN ('reset', 'signin', 'register', 'stepup', 'caller'));

-- Who works on a request, and what was answered to it; the latter sealed.
ALTER TABLE helpdesk_request ADD COLUMN assigned_to TEXT NOT NULL DEFAULT '';
ALTER TABLE helpdesk_request ADD COLUMN work BYTEA NOT NULL DEFAULT '';
