-- Lists and counts of the console, where an organization has a million people.
CREATE INDEX helpdesk_request_state ON helpdesk_request (org_id, state, id);
CREATE INDEX helpdesk_request_problem ON helpdesk_request (org_id, state, problem, id);
CREATE INDEX helpdesk_request_assigned ON helpdesk_request (org_id, state, assigned_to, id);
CREATE INDEX notify_message_state ON notify_message (org_id, state, queued_at);
CREATE INDEX audit_event_kind ON audit_event (org_id, kind, id);
CREATE INDEX audit_event_outcome ON audit_event (org_id, outcome, id) WHERE outcome <> 'success';
