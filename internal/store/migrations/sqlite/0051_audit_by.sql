-- What an administrator or a program did. People's own events are found by whom they
-- are about, so that a reset keeps no index more.
CREATE INDEX audit_event_admin ON audit_event (actor, id) WHERE actor_kind = 'admin';
