-- Who has a method of a kind, where few have.
CREATE INDEX method_kind ON method (org_id, kind, account_id)
  WHERE proved AND deleted_at = 0 AND disabled_at = 0;
