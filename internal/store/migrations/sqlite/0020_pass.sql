-- A method that counts only for a time: a Temporary Access Pass. 0 means without a bound.
ALTER TABLE method ADD COLUMN valid_from INTEGER NOT NULL DEFAULT 0;
ALTER TABLE method ADD COLUMN valid_until INTEGER NOT NULL DEFAULT 0;
CREATE INDEX method_over ON method (valid_until) WHERE valid_until > 0;
