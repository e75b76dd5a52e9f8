-- Keyed marks of the values that a directory's mapped attributes had, one a line.
ALTER TABLE account ADD COLUMN directory_methods TEXT NOT NULL DEFAULT '';
