-- Flows that tell nobody, before a proof, what is behind a user ID
-- (policy.reset.disclose_status: false): what was typed as the address or number,
-- sealed, and when a code was asked for.
ALTER TABLE reset_flow ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE reset_flow ADD COLUMN sent_to BLOB NOT NULL DEFAULT x'';
ALTER TABLE reset_flow ADD COLUMN sent_at INTEGER NOT NULL DEFAULT 0;
