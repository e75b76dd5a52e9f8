-- A request that a person answers on another device: who asks from where, sealed,
-- and how many wrong numbers were typed for the one that is shown.
ALTER TABLE challenge ADD COLUMN asked BLOB;
ALTER TABLE challenge ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;
