-- Which session registers a method, and which method it takes the place of.
ALTER TABLE method ADD COLUMN owner TEXT NOT NULL DEFAULT '';
ALTER TABLE method ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
