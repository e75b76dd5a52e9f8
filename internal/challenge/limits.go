package challenge

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/method"
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

// Counter names what a method's wrong answers are counted on, as Blocked has it.
func Counter(m method.Method) string { return counter(Challenge{Kind: m.Kind, MethodID: m.ID}) }

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
func pushSendPrefix(orgID, accountID string) string {
	return "push_sends:" + orgID + ":" + accountID + ":"
}
func budgetKey(orgID string) string { return "organization_failures:" + orgID }

// Blocked tells, for each method of an account that was tried, whether it could be
// tried in a reset now. It counts nothing and takes one statement, however many
// methods there are.
func (s *Service) Blocked(ctx context.Context, tx *store.Tx, orgID, accountID string, limit throttle.Limit) (map[string]throttle.Verdict, error) {
	return throttle.PeekPrefix(ctx, tx, gatePrefix(orgID, accountID), limit)
}

// BlockedBeside is Blocked together with counters that another room keeps about
// the account, in the same statement.
func (s *Service) BlockedBeside(ctx context.Context, tx *store.Tx, orgID, accountID string, limit throttle.Limit, keys map[string]throttle.Limit) (throttle.Looked, error) {
	return throttle.PeekAll(ctx, tx, throttle.Looks{Keys: keys, Prefix: gatePrefix(orgID, accountID), Limit: limit})
}

// The counts of a hidden flow are those of a kind, and run for accounts that do
// not exist too. They begin like the account's others, so that ClearLimits
// forgets them as well.
const hiddenKind = "kind="

// TakeHidden counts a try of a kind.
func (s *Service) TakeHidden(ctx context.Context, tx *store.Tx, orgID, subject string, k method.Kind, limit throttle.Limit) (throttle.Verdict, error) {
	return throttle.Take(ctx, tx, gatePrefix(orgID, subject)+hiddenKind+string(k), limit)
}

// ReturnHidden gives a counted try back: it was right.
func (s *Service) ReturnHidden(ctx context.Context, tx *store.Tx, orgID, subject string, k method.Kind) error {
	return throttle.Return(ctx, tx, gatePrefix(orgID, subject)+hiddenKind+string(k))
}

// TakeHiddenSend counts a code that was asked for.
func (s *Service) TakeHiddenSend(ctx context.Context, tx *store.Tx, orgID, subject string, k method.Kind, limit throttle.Limit) (throttle.Verdict, error) {
	return throttle.Take(ctx, tx, sendPrefix(orgID, subject)+hiddenKind+string(k), limit)
}

// HiddenBlocked tells, for each kind that was tried, whether it may be again.
func (s *Service) HiddenBlocked(ctx context.Context, tx *store.Tx, orgID, subject string, limit throttle.Limit) (map[method.Kind]throttle.Verdict, error) {
	all, err := s.Blocked(ctx, tx, orgID, subject, limit)
	if err != nil {
		return nil, err
	}
	kinds := make(map[method.Kind]throttle.Verdict)
	for name, v := range all {
		if k, ok := strings.CutPrefix(name, hiddenKind); ok {
			kinds[method.Kind(k)] = v
		}
	}
	return kinds, nil
}

// ClearLimits forgets the tries, sends and locks of an account: after a reset, or
// when an administrator clears them. The organization's budget stays, and so do
// the daily limits of phones: they are about money.
func (s *Service) ClearLimits(ctx context.Context, tx *store.Tx, orgID, accountID string) error {
	return throttle.ClearPrefix(ctx, tx, gatePrefix(orgID, accountID), signInPrefix(orgID, accountID),
		sendPrefix(orgID, accountID), phoneSendPrefix(orgID, accountID), pushSendPrefix(orgID, accountID))
}
