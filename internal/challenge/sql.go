package challenge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/store"
)

const columns = `id, org_id, account_id, method_id, kind, purpose, owner, gate, nonce, digits, state,
 message_id, begun_at, sent_at, expires_at, passed_at, channel, typed_at, counted_at, asked, tries`

func scan(row store.Scanner) (Challenge, error) {
	var c Challenge
	var begun, sent, expires, passed, typed, counted int64
	err := row.Scan(&c.ID, &c.OrgID, &c.AccountID, &c.MethodID, &c.Kind, &c.Purpose, &c.Owner, &c.Gate, &c.nonce,
		&c.digits, &c.State, &c.MessageID, &begun, &sent, &expires, &passed, &c.Channel, &typed, &counted, &c.asked, &c.tries)
	c.TypedAt, c.countedAt = store.Time(typed), store.Time(counted)
	c.BegunAt, c.SentAt = store.Time(begun), store.Time(sent)
	c.ExpiresAt, c.PassedAt = store.Time(expires), store.Time(passed)
	return c, err
}

func insert(ctx context.Context, tx *store.Tx, c Challenge) error {
	_, err := tx.Exec(ctx, `INSERT INTO challenge (`+columns+`)
 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
		c.ID, c.OrgID, c.AccountID, c.MethodID, string(c.Kind), string(c.Purpose), c.Owner, c.Gate, c.nonce, c.digits,
		string(c.State), c.MessageID, store.Micros(c.BegunAt), store.Micros(c.SentAt), store.Micros(c.ExpiresAt), store.Micros(c.PassedAt),
		string(c.Channel), store.Micros(c.TypedAt), store.Micros(c.countedAt), c.asked, c.tries)
	return err
}

func selectOne(ctx context.Context, tx *store.Tx, id string) (Challenge, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM challenge WHERE id = $1`, id))
}

func selectOpen(ctx context.Context, tx *store.Tx, orgID, accountID, methodID, owner string) (Challenge, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM challenge
 WHERE org_id = $1 AND account_id = $2 AND method_id = $3 AND owner = $4 AND state = 'open'`, orgID, accountID, methodID, owner))
}

// selectAsking gives the one request on a device that is open, whoever owns it.
func selectAsking(ctx context.Context, tx *store.Tx, orgID, accountID, methodID string) (Challenge, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM challenge
 WHERE org_id = $1 AND account_id = $2 AND method_id = $3 AND kind = 'authenticator_push' AND state = 'open'`, orgID, accountID, methodID))
}

// selectLiveCode gives another owner's challenge whose code was sent and lives.
// All that there are have the same code.
func selectLiveCode(ctx context.Context, tx *store.Tx, c Challenge) (Challenge, error) {
	return scan(tx.QueryRow(ctx, `SELECT `+columns+` FROM challenge
 WHERE org_id = $1 AND account_id = $2 AND method_id = $3 AND purpose = $4 AND id <> $5 AND state = 'open' AND sent_at > 0 AND expires_at > $6
 ORDER BY sent_at DESC, id LIMIT 1`,
		c.OrgID, c.AccountID, c.MethodID, string(c.Purpose), c.ID, store.Micros(tx.Now())))
}

// endSpent ends the other challenges that have the code of one that passed.
func endSpent(ctx context.Context, tx *store.Tx, c Challenge) error {
	_, err := tx.Exec(ctx, `UPDATE challenge SET state = 'ended'
 WHERE org_id = $1 AND account_id = $2 AND method_id = $3 AND purpose = $4 AND id <> $5 AND state = 'open' AND nonce = $6`,
		c.OrgID, c.AccountID, c.MethodID, string(c.Purpose), c.ID, c.nonce)
	return err
}

func selectPassed(ctx context.Context, tx *store.Tx, owner string) ([]Challenge, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM challenge WHERE owner = $1 AND state = 'passed' ORDER BY gate, passed_at`, owner)
}

func updateSent(ctx context.Context, tx *store.Tx, c Challenge) (int64, error) {
	return tx.Exec(ctx, `UPDATE challenge SET nonce = $2, digits = $3, message_id = $4, sent_at = $5, expires_at = $6, channel = $7, counted_at = $8
 WHERE id = $1 AND state = 'open'`,
		c.ID, c.nonce, c.digits, c.MessageID, store.Micros(c.SentAt), store.Micros(c.ExpiresAt), string(c.Channel), store.Micros(c.countedAt))
}

// updateAsked makes a request wait.
func updateAsked(ctx context.Context, tx *store.Tx, c Challenge, asked []byte) (int64, error) {
	return tx.Exec(ctx, `UPDATE challenge SET nonce = $2, sent_at = $3, expires_at = $4, tries = $5, asked = $6 WHERE id = $1 AND state = 'open'`,
		c.ID, c.nonce, store.Micros(c.SentAt), store.Micros(c.ExpiresAt), c.tries, asked)
}

func updateTries(ctx context.Context, tx *store.Tx, id string) (tries int, err error) {
	err = tx.QueryRow(ctx, `UPDATE challenge SET tries = tries + 1 WHERE id = $1 RETURNING tries`, id).Scan(&tries)
	return tries, err
}

// updateRedeemed ends an answered request: it counted where it was made.
func updateRedeemed(ctx context.Context, tx *store.Tx, id string) (int64, error) {
	return tx.Exec(ctx, `UPDATE challenge SET state = 'ended' WHERE id = $1 AND state = 'passed'`, id)
}

// selectRequests gives what is open on any device of an account.
func selectRequests(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Challenge, error) {
	return store.Select(ctx, tx, scan, `SELECT `+columns+` FROM challenge WHERE org_id = $1 AND account_id = $2
 AND kind = 'authenticator_push' AND purpose <> 'register' AND state = 'open' ORDER BY id`, orgID, accountID)
}

// updateTyped notes that the whole number was typed.
func updateTyped(ctx context.Context, tx *store.Tx, id string) error {
	n, err := tx.Exec(ctx, `UPDATE challenge SET typed_at = $2 WHERE id = $1 AND state = 'open'`, id, store.Micros(tx.Now()))
	if err == nil && n != 1 {
		return fmt.Errorf("%d rows", n)
	}
	return err
}

func addSent(ctx context.Context, tx *store.Tx, orgID string, slot int64) error {
	_, err := tx.Exec(ctx, `INSERT INTO challenge_phone AS p (org_id, slot, sent) VALUES ($1, $2, 1)
 ON CONFLICT (org_id, slot) DO UPDATE SET sent = p.sent + 1`, orgID, slot)
	return err
}

func addPassed(ctx context.Context, tx *store.Tx, orgID string, slot int64) error {
	_, err := tx.Exec(ctx, `UPDATE challenge_phone SET passed = passed + 1 WHERE org_id = $1 AND slot = $2`, orgID, slot)
	return err
}

// sumPhones adds up the slots from first to before last.
func sumPhones(ctx context.Context, tx *store.Tx, orgID string, first, last int64) (sent, passed int, err error) {
	err = tx.QueryRow(ctx, `SELECT COALESCE(SUM(sent), 0), COALESCE(SUM(passed), 0) FROM challenge_phone
 WHERE org_id = $1 AND slot >= $2 AND slot < $3`, orgID, first, last).Scan(&sent, &passed)
	return sent, passed, err
}

func selectPause(ctx context.Context, tx *store.Tx, orgID string) (time.Time, error) {
	var until int64
	err := tx.QueryRow(ctx, `SELECT paused_until FROM challenge_phone_pause WHERE org_id = $1`, orgID).Scan(&until)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	return store.Time(until), err
}

// upsertPause begins a pause unless one runs; it tells whether it did.
func upsertPause(ctx context.Context, tx *store.Tx, orgID string, until time.Time) (bool, error) {
	n, err := tx.Exec(ctx, `INSERT INTO challenge_phone_pause AS p (org_id, paused_until) VALUES ($1, $2)
 ON CONFLICT (org_id) DO UPDATE SET paused_until = $2 WHERE p.paused_until <= $3`, orgID, store.Micros(until), store.Micros(tx.Now()))
	return n == 1, err
}

func purgePhones(ctx context.Context, tx *store.Tx, before int64) error {
	_, err := tx.Exec(ctx, `DELETE FROM challenge_phone WHERE slot < $1`, before)
	return err
}

// updatePassed is the only statement of the product that writes "passed". The
// method is the one that was proved.
func updatePassed(ctx context.Context, tx *store.Tx, id, methodID string) (int64, error) {
	return tx.Exec(ctx, `UPDATE challenge SET state = 'passed', passed_at = $2, method_id = $3
 WHERE id = $1 AND state = 'open' AND expires_at > $2`, id, store.Micros(tx.Now()), methodID)
}

func updateNonce(ctx context.Context, tx *store.Tx, id string, nonce []byte) error {
	_, err := tx.Exec(ctx, `UPDATE challenge SET nonce = $2 WHERE id = $1 AND state = 'open'`, id, nonce)
	return err
}

func end(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE challenge SET state = 'ended' WHERE id = $1 AND state = 'open'`, id)
	return err
}

func endOwner(ctx context.Context, tx *store.Tx, owner string) error {
	_, err := tx.Exec(ctx, `UPDATE challenge SET state = 'ended' WHERE owner = $1 AND state <> 'ended'`, owner)
	return err
}

func endAccount(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	_, err := tx.Exec(ctx, `UPDATE challenge SET state = 'ended' WHERE org_id = $1 AND account_id = $2 AND state <> 'ended'`, orgID, accountID)
	return err
}

func purge(ctx context.Context, tx *store.Tx, before time.Time) (int64, error) {
	return tx.Exec(ctx, `DELETE FROM challenge WHERE begun_at < $1`, store.Micros(before))
}

func erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM challenge WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}
