-- Flows that tell nobody, before a proof, what is behind a user ID
-- (policy.reset.disclose_status: false): what was typed as the address or number,
-- sealed, and when a code was asked for.
ALTER TABLE reset_flow ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE reset_flow ADD COLUMN sent_to BYTEA NOT NULL DEFAULT '';
ALTER TABLE reset_flow ADD COLUMN sent_at BIGINT NOT NULL DEFAULT 0;
