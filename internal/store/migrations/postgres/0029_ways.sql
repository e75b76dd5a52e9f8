-- Each flow and session has its challenge on a method beside those of the others:
-- whoever begins one ends nobody else's. Requests on a device stay one at a time.
DROP INDEX challenge_open;
CREATE UNIQUE INDEX challenge_open ON challenge (org_id, account_id, method_id, owner) WHERE state = 'open';
CREATE UNIQUE INDEX challenge_asking ON challenge (org_id, account_id, method_id) WHERE state = 'open' AND kind = 'authenticator_push';
