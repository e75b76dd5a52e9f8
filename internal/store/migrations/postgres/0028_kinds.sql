-- The Temporary Access Pass that let somebody in; what it opened ends with it.
ALTER TABLE session ADD COLUMN pass_id TEXT NOT NULL DEFAULT '';
