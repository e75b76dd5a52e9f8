-- What an administrator or a program did. People's own events are found by whom they
-- are about, so that a reset keeps no index more.
CREATE INDEX audit_event_admin ON audit_event (actor, id) WHERE actor_kind = 'admin';

-- The token of the reset that the same browser held when it began this one: when that
-- runs out, it was given up and not left.
ALTER TABLE reset_flow ADD COLUMN instead_of BLOB;
CREATE INDEX reset_flow_instead_of ON reset_flow (instead_of) WHERE instead_of IS NOT NULL;
