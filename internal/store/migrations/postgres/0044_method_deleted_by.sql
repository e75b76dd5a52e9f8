-- Who deleted a method: what an administrator deleted its person cannot bring back.
ALTER TABLE method ADD COLUMN deleted_by TEXT NOT NULL DEFAULT '';
