package embedded

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/store"
)

const columns = `account_key, user_id, display_name, given_name, family_name, language, group_names, source,
 disabled, must_change, password, past_passwords, file_password, password_version, password_changed_at,
 failures, locked_until, wrong`

// row is a stored account: what is shown of it, and what is not.
type row struct {
	entry        directory.Entry
	password     string
	past         []string
	filePassword string
	version      int64
	failures     int
	wrong        []byte
}

// stored are all kept hashes, the current one first.
func (r row) stored() []string {
	if r.password == "" {
		return r.past
	}
	return append([]string{r.password}, r.past...)
}

func scanRow(s store.Scanner) (row, error) {
	var r row
	var groups, source, past string
	var changed, locked int64
	e := &r.entry
	err := s.Scan(&e.Key, &e.UserID, &e.DisplayName, &e.GivenName, &e.FamilyName, &e.Language, &groups, &source,
		&e.Disabled, &e.MustChange, &r.password, &past, &r.filePassword, &r.version, &changed,
		&r.failures, &locked, &r.wrong)
	e.Groups, r.past = lines(groups), lines(past)
	e.Source, e.HasPassword = directory.Source(source), r.password != ""
	e.PasswordChangedAt, e.LockedUntil = store.Time(changed), store.Time(locked)
	return r, err
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func selectByUserID(ctx context.Context, tx *store.Tx, org, userID string) (row, error) {
	return scanRow(tx.QueryRow(ctx,
		`SELECT `+columns+` FROM embedded_account WHERE org_id = $1 AND user_id = $2`, org, userID))
}

func selectByKey(ctx context.Context, tx *store.Tx, org, key string) (row, error) {
	return scanRow(tx.QueryRow(ctx,
		`SELECT `+columns+` FROM embedded_account WHERE account_key = $2 AND org_id = $1`, org, key))
}

// insertIfMissing gives 0 rows where the user ID is taken.
func insertIfMissing(ctx context.Context, tx *store.Tx, org string, r row) (int64, error) {
	e := r.entry
	return tx.Exec(ctx, `INSERT INTO embedded_account (account_key, org_id, user_id, display_name, given_name,
 family_name, language, group_names, source, disabled, must_change, password, file_password, password_version,
 password_changed_at, wrong, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 1, $14, $15, $16)
 ON CONFLICT (org_id, user_id) DO NOTHING`,
		e.Key, org, e.UserID, e.DisplayName, e.GivenName, e.FamilyName, e.Language, strings.Join(e.Groups, "\n"),
		string(e.Source), e.Disabled, e.MustChange, r.password, r.filePassword, store.Micros(e.PasswordChangedAt),
		[]byte{}, store.Micros(tx.Now()))
}

func updateAttributes(ctx context.Context, tx *store.Tx, org string, e directory.Entry) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET display_name = $3, given_name = $4, family_name = $5, language = $6,
 group_names = $7, source = $8, disabled = $9, must_change = $10 WHERE account_key = $2 AND org_id = $1`,
		org, e.Key, e.DisplayName, e.GivenName, e.FamilyName, e.Language, strings.Join(e.Groups, "\n"),
		string(e.Source), e.Disabled, e.MustChange)
}

// updatePassword stores a password for the version it was hashed for. A new
// password makes every noted wrong one meaningless.
func updatePassword(ctx context.Context, tx *store.Tx, org, key string, version int64, encoded string, past []string, mustChange, unlock bool) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET password = $4, past_passwords = $5, must_change = $6,
 password_changed_at = $7, password_version = password_version + 1, wrong = $8,
 failures = CASE WHEN $9 THEN 0 ELSE failures END, locked_until = CASE WHEN $9 THEN 0 ELSE locked_until END
 WHERE account_key = $2 AND org_id = $1 AND password_version = $3 AND source = 'managed'`,
		org, key, version, encoded, strings.Join(past, "\n"), mustChange, store.Micros(tx.Now()), []byte{}, unlock)
}

// updateFilePassword stores what an account file says; the source may be any.
func updateFilePassword(ctx context.Context, tx *store.Tx, org, key string, version int64, encoded, file string, past []string) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET password = $4, past_passwords = $5, file_password = $6,
 password_changed_at = $7, password_version = password_version + 1, wrong = $8
 WHERE account_key = $2 AND org_id = $1 AND password_version = $3`,
		org, key, version, encoded, strings.Join(past, "\n"), file, store.Micros(tx.Now()), []byte{})
}

// updateRenewed changes how the same password is written down.
func updateRenewed(ctx context.Context, tx *store.Tx, org, key string, version int64, encoded string) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET password = $4, password_version = password_version + 1
 WHERE account_key = $2 AND org_id = $1 AND password_version = $3`, org, key, version, encoded)
}

func updateFailure(ctx context.Context, tx *store.Tx, org, key string, version int64, failures int, locked int64, wrong []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET failures = $4, locked_until = $5, wrong = $6
 WHERE account_key = $2 AND org_id = $1 AND password_version = $3`, org, key, version, failures, locked, wrong)
}

func updateUnlocked(ctx context.Context, tx *store.Tx, org, key string) (int64, error) {
	return tx.Exec(ctx, `UPDATE embedded_account SET failures = 0, locked_until = 0, wrong = $3
 WHERE account_key = $2 AND org_id = $1`, org, key, []byte{})
}

func deleteAccount(ctx context.Context, tx *store.Tx, org, key string) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM embedded_account WHERE account_key = $2 AND org_id = $1`, org, key)
}

// beyond is greater than every user ID that begins with a prefix: user IDs hold
// no character as high, so one range of the index finds them all.
const beyond = "\U0010ffff"

func selectPage(ctx context.Context, tx *store.Tx, org string, p directory.Page) ([]row, error) {
	// One lower bound for the index: of two, SQLite may take the one that leaves
	// the whole organization to be walked through.
	from := `user_id >= $3 AND $2 = ''`
	if p.After != "" {
		from = `user_id > $2 AND user_id || '' >= $3`
	}
	return store.Select(ctx, tx, scanRow, `SELECT `+columns+` FROM embedded_account
 WHERE org_id = $1 AND `+from+` AND user_id < $4 ORDER BY user_id LIMIT $5`,
		org, p.After, p.Prefix, p.Prefix+beyond, p.Limit)
}

// selectSeveral gives the accounts of some keys, in no order. They are found by their
// keys: with the plain organization SQLite would walk all of its accounts.
func selectSeveral(ctx context.Context, tx *store.Tx, org string, keys []string) ([]row, error) {
	these, args := store.In(keys, org)
	return store.Select(ctx, tx, scanRow, `SELECT `+columns+` FROM embedded_account WHERE org_id || '' = $1 AND account_key `+these, args...)
}

// countIn counts the user IDs of a domain, which holds none of LIKE's signs.
func countIn(ctx context.Context, tx *store.Tx, org, domain string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM embedded_account WHERE org_id = $1 AND user_id LIKE $2`, org, "%@"+domain).Scan(&n)
	return n, err
}

func count(ctx context.Context, tx *store.Tx, org string) (n int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM embedded_account WHERE org_id = $1`, org).Scan(&n)
	return n, err
}
