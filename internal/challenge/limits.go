package challenge

import (
	"context"

	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

func gateKey(c Challenge) string   { return gatePrefix(c.OrgID, c.AccountID) + c.MethodID }
func signInKey(c Challenge) string { return signInPrefix(c.OrgID, c.AccountID) + c.MethodID }
func sendKey(c Challenge) string   { return sendPrefix(c.OrgID, c.AccountID) + c.MethodID }

// doorKey is the count that may refuse this answer. Whoever signs in has shown a
// password; resets are open to everybody and must not lock that door.
func doorKey(c Challenge) string {
	if c.Purpose == SignIn || c.Purpose == StepUp {
		return signInKey(c)
	}
	return gateKey(c)
}

func gatePrefix(orgID, accountID string) string { return "gate:" + orgID + ":" + accountID + ":" }
func signInPrefix(orgID, accountID string) string {
	return "gate_signin:" + orgID + ":" + accountID + ":"
}
func sendPrefix(orgID, accountID string) string {
	return "email_sends:" + orgID + ":" + accountID + ":"
}
func phoneSendPrefix(orgID, accountID string) string {
	return "phone_sends:" + orgID + ":" + accountID + ":"
}
func budgetKey(orgID string) string { return "organization_failures:" + orgID }

// Blocked tells, for each method of an account that was tried, whether it could be
// tried in a reset now. It counts nothing and takes one statement, however many
// methods there are.
func (s *Service) Blocked(ctx context.Context, tx *store.Tx, orgID, accountID string, limit throttle.Limit) (map[string]throttle.Verdict, error) {
	return throttle.PeekPrefix(ctx, tx, gatePrefix(orgID, accountID), limit)
}

// ClearLimits forgets the tries, sends and locks of an account: after a reset, or
// when an administrator clears them. The organization's budget stays, and so do
// the daily limits of phones: they are about money.
func (s *Service) ClearLimits(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	for _, prefix := range []string{gatePrefix(orgID, accountID), signInPrefix(orgID, accountID), sendPrefix(orgID, accountID), phoneSendPrefix(orgID, accountID)} {
		if err := throttle.ClearPrefix(ctx, tx, prefix); err != nil {
			return err
		}
	}
	return nil
}
