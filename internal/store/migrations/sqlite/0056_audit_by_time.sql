-- Lists of the log are in the order of time behind each filter: a span long ago is
-- begun at its own end, however much was recorded since.
DROP INDEX audit_event_target;
CREATE INDEX audit_event_target ON audit_event (target, at, id);
DROP INDEX audit_event_kind;
CREATE INDEX audit_event_kind ON audit_event (org_id, kind, at, id);
DROP INDEX audit_event_outcome;
CREATE INDEX audit_event_outcome ON audit_event (org_id, outcome, at, id) WHERE outcome <> 'success';
DROP INDEX audit_event_admin;
CREATE INDEX audit_event_admin ON audit_event (actor, at, id) WHERE actor_kind = 'admin';
DROP INDEX audit_event_org;
CREATE INDEX audit_event_org ON audit_event (org_id, at, id);
