-- A person who calls the helpdesk is verified by a code: a purpose of its own. A
-- column's check cannot be changed, so another column takes its place.
ALTER TABLE challenge ADD COLUMN purpose_of TEXT NOT NULL DEFAULT 'reset'
  CHECK (purpose_of IN ('reset', 'signin', 'register', 'stepup', 'caller'));
UPDATE challenge SET purpose_of = purpose;
ALTER TABLE challenge DROP COLUMN purpose;
ALTER TABLE challenge RENAME COLUMN purpose_of TO purpose;

-- Who works on a request, and what was answered to it; the latter sealed.
ALTER TABLE helpdesk_request ADD COLUMN assigned_to TEXT NOT NULL DEFAULT '';
ALTER TABLE helpdesk_request ADD COLUMN work BLOB NOT NULL DEFAULT x'';
