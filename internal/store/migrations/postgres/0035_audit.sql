-- Whose key it is (the same for all of a person's), and the last day (since 1970,
-- UTC) whose events it seals: a person has one for each month. One that is there
-- already seals up to today.
ALTER TABLE audit_person ADD COLUMN owner BYTEA NOT NULL DEFAULT '';
ALTER TABLE audit_person ADD COLUMN last_day BIGINT NOT NULL DEFAULT 0;
UPDATE audit_person SET owner = subject, last_day = CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) / 86400;
CREATE INDEX audit_person_owner ON audit_person (owner) WHERE erased_at = 0;
CREATE INDEX audit_person_last_day ON audit_person (last_day) WHERE erased_at = 0;

CREATE INDEX helpdesk_request_resolved ON helpdesk_request (resolved_at) WHERE resolved_at > 0;

-- The support code that somebody reads out leads to what happened.
CREATE INDEX audit_event_correlation ON audit_event (correlation) WHERE correlation <> '';
