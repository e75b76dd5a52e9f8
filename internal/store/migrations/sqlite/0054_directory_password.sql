-- Passwords that an owner typed for the account of a directory, sealed and bound to
-- the connection that they were typed for. No document holds them.
CREATE TABLE directory_password (
  org_id TEXT PRIMARY KEY REFERENCES organization (id),
  sealed BLOB NOT NULL
) STRICT;
