-- A person who calls the helpdesk is verified by a code: a purpose of its own. A
-- column's check cannot be changed, so another column takes its place.
ALTER TABLE challenge ADD COLUMN purpose_of TEXT NOT NULL DEFAULT 'reset'
  CHECK (purpose_of IN ('reset', 'signin', 'register', 'stepup', 'caller'));
UPDATE challenge SET purpose_of = purpose;
ALTER TABLE challenge DROP COLUMN purpose;
ALTER TABLE challenge RENAME COLUMN purpose_of TO purpose;

-- Who works on a request. Who that is and what was answered are sealed.
ALTER TABLE helpdesk_request ADD COLUMN assigned_to TEXT NOT NULL DEFAULT '';
ALTER TABLE helpdesk_request ADD COLUMN assignment BLOB;

-- When the open requests of an organization were last mailed.
CREATE TABLE helpdesk_digest (
  org_id TEXT PRIMARY KEY,
  day    INTEGER NOT NULL
) STRICT;
