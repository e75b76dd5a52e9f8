package challenge

import (
	"context"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

func gateKey(c Challenge) string   { return gatePrefix(c.OrgID, c.AccountID) + counter(c) }
func signInKey(c Challenge) string { return signInPrefix(c.OrgID, c.AccountID) + counter(c) }
func sendKey(c Challenge) string   { return sendPrefix(c.OrgID, c.AccountID) + c.MethodID }

// counter is what wrong answers are counted on: the method, but all passkeys of
// an account together. Which one an answer is of, only the answer says, so a
// count on it would be the sender's to choose.
func counter(c Challenge) string {
	if c.Kind == method.Passkey && c.Purpose != Register {
		return string(method.Passkey)
	}
	return c.MethodID
}

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

// Blocked tells whether a method could be tried in a reset now, without counting.
func (s *Service) Blocked(ctx context.Context, tx *store.Tx, o *org.Organization, accountID string, m method.Method) (throttle.Verdict, error) {
	return throttle.Peek(ctx, tx, gateKey(Challenge{OrgID: o.ID, AccountID: accountID, Kind: m.Kind, MethodID: m.ID}), o.Policy.Throttle.Gate)
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
