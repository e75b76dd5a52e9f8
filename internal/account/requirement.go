package account

import (
	"slices"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// Requirement is what the policy of this moment asks of one account's reset: how
// many gates, by which kinds, in which pairs. The reset judges by it, and
// security info tells people by it whether they could reset.
type Requirement struct {
	org       *org.Organization
	policy    org.Policy
	protected bool
}

// RequirementOf reads the policy for an account. Administrators and accounts the
// directory protects follow the administrators' rules.
func RequirementOf(o *org.Organization, a Account) Requirement {
	_, admin := o.RoleOf(a.Entry.UserID, a.Entry.Groups)
	return Requirement{o, o.Policy, admin || a.Entry.Privileged}
}

// Protected tells whether the administrators' rules hold: two gates, and nothing
// that can be guessed or looked up.
func (r Requirement) Protected() bool { return r.protected }

// Gates is how many gates a reset needs.
func (r Requirement) Gates() int {
	n := r.policy.Reset.Gates
	if r.protected {
		n = max(n, r.policy.Administrators.Gates, 2)
	}
	return max(n, 1)
}

// Allows tells whether a kind may prove a reset of this account.
func (r Requirement) Allows(k method.Kind) bool {
	if !k.Built() || !k.ProvesReset() || !r.org.Offers(k) || k.Class() == method.Knowledge && (r.protected || r.Gates() < 2) {
		return false
	}
	return r.policy.Allows(k)
}

// Refusal says why a method cannot prove a reset now, as a key below
// "reset.why." with its arguments; empty when it can. What is throttled is not
// known here.
func (r Requirement) Refusal(m method.Method, now time.Time) (string, map[string]any) {
	switch {
	case !m.DisabledAt.IsZero() && m.Kind == method.Passkey:
		return "copied", nil // the one reason for which a passkey is disabled
	case !m.DisabledAt.IsZero():
		return "disabled", nil
	case m.Spent:
		return "spent", nil
	case m.Elsewhere:
		return "address", nil
	case !m.Usable():
		return "unproved", nil
	case r.protected && m.FromDirectory():
		return "unconfirmed", nil // whoever writes the directory must not be able to reset an administrator
	case r.policy.Allows(m.Kind) && !r.org.Offers(m.Kind):
		return "not-set-up", nil
	case !r.Allows(m.Kind):
		return "policy", nil
	case m.Kind.Class() == method.PhoneLine && !method.PhoneAllowed(m.Value, r.policy.Phone.Countries):
		return "country", nil
	case m.Kind == method.RecoveryCode && m.CodesLeft() == 0:
		return "used-up", nil
	case m.Kind == method.SecurityQuestions && m.Answerable() < r.policy.Questions.ToReset:
		return "few", nil
	case r.waiting(m, now):
		return "waiting", map[string]any{"count": r.policy.NewMethodWaitingHours}
	}
	return "", nil
}

func (r Requirement) waiting(m method.Method, now time.Time) bool {
	wait := time.Duration(r.policy.NewMethodWaitingHours) * time.Hour
	return wait > 0 && m.Kind != method.TemporaryAccessPass && m.ProvedAt.Add(wait).After(now)
}

// Pairs tells whether a kind may pass a gate beside those that were passed. What
// a person knows comes after something they have: nobody is shown another's
// questions for the asking.
func (r Requirement) Pairs(with []method.Kind, k method.Kind) bool {
	if k.Class() == method.Knowledge && len(with) == 0 {
		return false
	}
	for _, w := range with {
		if !r.policy.PairAllowed(w, k) {
			return false
		}
	}
	return true
}

// Enough tells whether somebody who passed gates with some kinds can pass what
// is left with kinds they can use.
func (r Requirement) Enough(passed, usable []method.Kind) bool {
	if len(passed) >= r.Gates() {
		return true
	}
	for _, k := range usable {
		if r.Pairs(passed, k) && r.Enough(append(append([]method.Kind{}, passed...), k), usable) {
			return true
		}
	}
	return false
}

// Registered tells whether these methods are enough for a reset once the newest
// of them has waited: whether there is nothing left to register.
func (r Requirement) Registered(methods []method.Method, now time.Time) bool {
	return r.Sufficient(methods, r.Settled(now))
}

// Settled is when what is registered now has waited long enough to be used.
func (r Requirement) Settled(now time.Time) time.Time {
	return now.Add(time.Duration(r.policy.NewMethodWaitingHours) * time.Hour)
}

// Sufficient tells whether these methods are enough for a reset at a time, and not
// only for the moment that an administrator's pass counts.
func (r Requirement) Sufficient(methods []method.Method, now time.Time) bool {
	return r.Enough(nil, r.Lasting(methods, now))
}

// Lasting gives the kinds of those methods that can prove a reset at a time,
// without the pass that an administrator issued for the moment.
func (r Requirement) Lasting(methods []method.Method, now time.Time) []method.Kind {
	return slices.DeleteFunc(r.Usable(methods, now), func(k method.Kind) bool { return k == method.TemporaryAccessPass })
}

// Usable gives the kinds of those methods that can prove a reset at a time.
func (r Requirement) Usable(methods []method.Method, now time.Time) []method.Kind {
	var usable []method.Kind
	for _, m := range methods {
		if why, _ := r.Refusal(m, now); why == "" {
			usable = append(usable, m.Kind)
		}
	}
	return usable
}

// Reach is how many gates can be passed with some kinds, at most as many as are needed.
func (r Requirement) Reach(usable []method.Kind) int { return r.reach(nil, usable) }

func (r Requirement) reach(passed, usable []method.Kind) int {
	most := len(passed)
	for _, k := range usable {
		if most < r.Gates() && r.Pairs(passed, k) {
			most = max(most, r.reach(append(append([]method.Kind{}, passed...), k), usable))
		}
	}
	return most
}
