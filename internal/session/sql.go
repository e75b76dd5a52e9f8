package session

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

func selectBrowser(ctx context.Context, tx *store.Tx, token []byte) (Browser, error) {
	var b Browser
	err := tx.QueryRow(ctx, `SELECT id, current_id FROM browser WHERE token = $1`, token).Scan(&b.ID, &b.Current)
	return b, err
}

func insertBrowser(ctx context.Context, tx *store.Tx, id string, token []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO browser (id, token, current_id, created_at) VALUES ($1, $2, '', $3)`,
		id, token, store.Micros(tx.Now()))
	return err
}

func updateToken(ctx context.Context, tx *store.Tx, id string, token []byte) error {
	_, err := tx.Exec(ctx, `UPDATE browser SET token = $2 WHERE id = $1`, id, token)
	return err
}

func setCurrent(ctx context.Context, tx *store.Tx, id, sessionID string) error {
	_, err := tx.Exec(ctx, `UPDATE browser SET current_id = $2 WHERE id = $1`, id, sessionID)
	return err
}

const sessionColumns = `id, browser_id, org_id, account_id, level, must_change, password_at, factor_at, factor_id, pass_id, created_at, seen_at, proved_at`

func insertSession(ctx context.Context, tx *store.Tx, s Session) error {
	_, err := tx.Exec(ctx, `INSERT INTO session (`+sessionColumns+`, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0)`,
		s.ID, s.BrowserID, s.OrgID, s.AccountID, string(s.Level), s.MustChange, store.Micros(s.PasswordAt),
		store.Micros(s.FactorAt), s.FactorID, s.PassID, store.Micros(s.CreatedAt), store.Micros(s.SeenAt), store.Micros(s.ProvedAt))
	return err
}

func selectSession(ctx context.Context, tx *store.Tx, id string) (Session, error) {
	return scanSession(tx.QueryRow(ctx, `SELECT `+sessionColumns+` FROM session WHERE id = $1 AND ended_at = 0`, id))
}

func selectSessions(ctx context.Context, tx *store.Tx, orgID, accountID string) (all []Session, err error) {
	return store.Select(ctx, tx, scanSession, `SELECT `+sessionColumns+` FROM session
		WHERE org_id = $1 AND account_id = $2 AND ended_at = 0 ORDER BY seen_at DESC, id DESC`, orgID, accountID)
}

func scanSession(row store.Scanner) (Session, error) {
	var s Session
	var level string
	var passwordAt, factorAt, createdAt, seenAt, provedAt int64
	err := row.Scan(&s.ID, &s.BrowserID, &s.OrgID, &s.AccountID, &level, &s.MustChange, &passwordAt, &factorAt, &s.FactorID, &s.PassID, &createdAt, &seenAt, &provedAt)
	s.Level = Level(level)
	s.PasswordAt, s.FactorAt = store.Time(passwordAt), store.Time(factorAt)
	s.CreatedAt, s.SeenAt, s.ProvedAt = store.Time(createdAt), store.Time(seenAt), store.Time(provedAt)
	return s, err
}

func touch(ctx context.Context, tx *store.Tx, id string) error {
	_, err := tx.Exec(ctx, `UPDATE session SET seen_at = $2 WHERE id = $1 AND ended_at = 0`, id, store.Micros(tx.Now()))
	return err
}

func prove(ctx context.Context, tx *store.Tx, id, methodID string) error {
	_, err := tx.Exec(ctx, `UPDATE session SET level = 'full', factor_at = $2, factor_id = $3, seen_at = $2
		WHERE id = $1 AND ended_at = 0`, id, store.Micros(tx.Now()), methodID)
	return err
}

// vouched keeps a proof that is younger than what the provider says.
func vouched(ctx context.Context, tx *store.Tx, id string, v Vouched) error {
	if _, err := tx.Exec(ctx, `UPDATE session SET proved_at = $2, seen_at = $3 WHERE id = $1 AND ended_at = 0 AND proved_at < $2`,
		id, store.Micros(v.At), store.Micros(tx.Now())); err != nil || !v.Factor {
		return err
	}
	_, err := tx.Exec(ctx, `UPDATE session SET factor_at = $2, factor_id = $3 WHERE id = $1 AND ended_at = 0 AND factor_at < $2`,
		id, store.Micros(v.At), ByProvider)
	return err
}

func passed(ctx context.Context, tx *store.Tx, id, passID string) error {
	_, err := tx.Exec(ctx, `UPDATE session SET pass_id = $2 WHERE id = $1 AND ended_at = 0`, id, passID)
	return err
}

func endByPass(ctx context.Context, tx *store.Tx, orgID, accountID, passID string) (int64, error) {
	return tx.Exec(ctx, `UPDATE session SET ended_at = $4 WHERE org_id = $1 AND account_id = $2 AND (pass_id = $3 OR factor_id = $3) AND ended_at = 0`,
		orgID, accountID, passID, store.Micros(tx.Now()))
}

func passwordTyped(ctx context.Context, tx *store.Tx, id string, mustChange bool) error {
	_, err := tx.Exec(ctx, `UPDATE session SET password_at = $2, proved_at = $2, seen_at = $2, must_change = $3 WHERE id = $1 AND ended_at = 0`,
		id, store.Micros(tx.Now()), mustChange)
	return err
}

type endedSession struct{ orgID, accountID string }

func endOne(ctx context.Context, tx *store.Tx, id string) ([]endedSession, error) {
	return store.Select(ctx, tx, scanEnded, `UPDATE session SET ended_at = $2 WHERE id = $1 AND ended_at = 0 RETURNING org_id, account_id`,
		id, store.Micros(tx.Now()))
}

func scanEnded(row store.Scanner) (endedSession, error) {
	var e endedSession
	err := row.Scan(&e.orgID, &e.accountID)
	return e, err
}

func endInBrowser(ctx context.Context, tx *store.Tx, browserID, accountID string) error {
	_, err := tx.Exec(ctx, `UPDATE session SET ended_at = $3 WHERE browser_id = $1 AND account_id = $2 AND ended_at = 0`,
		browserID, accountID, store.Micros(tx.Now()))
	return err
}

func endAll(ctx context.Context, tx *store.Tx, orgID, accountID, keep string) (int64, error) {
	return tx.Exec(ctx, `UPDATE session SET ended_at = $4 WHERE org_id = $1 AND account_id = $2 AND id <> $3 AND ended_at = 0`,
		orgID, accountID, keep, store.Micros(tx.Now()))
}

type remembered struct {
	Account
	sealed []byte
}

func insertRemembered(ctx context.Context, tx *store.Tx, id, browserID, orgID, accountID string, sealed []byte) error {
	_, err := tx.Exec(ctx, `INSERT INTO browser_account (id, browser_id, org_id, account_id, sealed, used_at)
		VALUES ($1, $2, $3, $4, $5, $6)`, id, browserID, orgID, accountID, sealed, store.Micros(tx.Now()))
	return err
}

func deleteRemembered(ctx context.Context, tx *store.Tx, browserID, accountID string) error {
	_, err := tx.Exec(ctx, `DELETE FROM browser_account WHERE browser_id = $1 AND account_id = $2`, browserID, accountID)
	return err
}

func selectRemembered(ctx context.Context, tx *store.Tx, browserID string) ([]remembered, error) {
	return store.Select(ctx, tx, scanRemembered, `SELECT b.id, b.org_id, b.account_id, b.sealed,
			COALESCE((SELECT s.id FROM session s WHERE s.browser_id = b.browser_id AND s.account_id = b.account_id AND s.ended_at = 0), '')
		FROM browser_account b WHERE b.browser_id = $1 ORDER BY b.used_at DESC, b.id DESC LIMIT 20`, browserID)
}

func scanRemembered(row store.Scanner) (remembered, error) {
	var r remembered
	err := row.Scan(&r.ID, &r.OrgID, &r.AccountID, &r.sealed, &r.SessionID)
	return r, err
}

func purge(ctx context.Context, tx *store.Tx, sessionsBefore, accountsBefore time.Time) error {
	for _, statement := range []struct {
		text string
		arg  int64
	}{
		{`DELETE FROM session WHERE created_at < $1`, store.Micros(sessionsBefore)},
		{`DELETE FROM browser_account WHERE used_at < $1`, store.Micros(accountsBefore)},
		{`DELETE FROM browser WHERE created_at < $1 AND NOT EXISTS (SELECT 1 FROM session s WHERE s.browser_id = browser.id)
			AND NOT EXISTS (SELECT 1 FROM browser_account a WHERE a.browser_id = browser.id)`, store.Micros(sessionsBefore)},
	} {
		if _, err := tx.Exec(ctx, statement.text, statement.arg); err != nil {
			return err
		}
	}
	return nil
}

func unprove(ctx context.Context, tx *store.Tx, orgID, accountID, methodID string) error {
	_, err := tx.Exec(ctx, `UPDATE session SET factor_at = 0, factor_id = '' WHERE org_id = $1 AND account_id = $2 AND factor_id = $3`,
		orgID, accountID, methodID)
	return err
}

// erase drops everything of an account: sessions, and what browsers remember.
func erase(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	if _, err := tx.Exec(ctx, `DELETE FROM session WHERE org_id = $1 AND account_id = $2`, orgID, accountID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM browser_account WHERE org_id = $1 AND account_id = $2`, orgID, accountID)
	return err
}

// selectTimes gives when each session of an account began, was last used, and ended.
func selectTimes(ctx context.Context, tx *store.Tx, orgID, accountID string) ([]Times, error) {
	return store.Select(ctx, tx, scanTimes, `SELECT created_at, seen_at, ended_at FROM session WHERE org_id = $1 AND account_id = $2 ORDER BY created_at`, orgID, accountID)
}

func scanTimes(row store.Scanner) (Times, error) {
	var began, seen, ended int64
	err := row.Scan(&began, &seen, &ended)
	return Times{store.Time(began), store.Time(seen), store.Time(ended)}, err
}
