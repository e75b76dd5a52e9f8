package reset

import (
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// facts is all that decides whether somebody can reset. It is gathered before,
// so that judging is pure.
type facts struct {
	org        *org.Organization // nil: no organization has the user ID's domain
	account    account.Account
	known      bool
	methods    []method.Method
	can        directory.Capabilities
	reason     Reason
	retryAfter time.Duration // of the account's throttles; zero: not blocked
	// locked methods had too many wrong answers; how long that lasts.
	locked map[string]time.Duration
	now    time.Time
	// passed are the kinds that this flow has proved already.
	passed []method.Kind
}

// Rule is one rule of eligibility with its answer. The sentence is
// "reset.rule.<Name>.<yes|no>" with Args.
type Rule struct {
	Name string
	OK   bool
	Key  string
	Args map[string]any
	// Problem is the dead end it leads to where it is not OK.
	Problem problem.Code
}

// judge gives every rule with its answer, in the order in which the first "no"
// decides. A rule after a missing account is answered as for nobody.
func judge(f facts) []Rule {
	var rules []Rule
	say := func(name string, ok bool, code problem.Code, args map[string]any) {
		answer := ".no"
		if ok {
			answer, code = ".yes", ""
		}
		rules = append(rules, Rule{name, ok, "reset.rule." + name + answer, args, code})
	}
	say("organization", f.org != nil, problem.NotVerified, nil)
	if f.org == nil {
		return rules
	}
	p := f.org.Policy
	say("enabled", p.Reset.Scope != "none", problem.NotEnabled, nil)
	say("account", f.known, problem.NotVerified, nil)
	if !f.known {
		return rules
	}
	e := f.account.Entry
	say("scope", p.InScope(e.Groups), problem.NotEnabled, nil)
	say("privileged", !e.Privileged || p.Reset.Privileged == "two_strong_gates", problem.NotEnabled, nil)
	say("managed", e.Source == directory.Managed && (f.can.SetPassword || f.unlocks()), problem.NotManaged, nil)
	say("active", !e.Disabled, problem.NotVerified, nil)
	say("frozen", !f.account.Frozen(), problem.NotVerified, nil)
	usable := 0
	for _, m := range f.methods {
		if why, _ := f.refusal(m); why == "" {
			usable++
		}
	}
	registered := f
	registered.locked = nil
	say("methods", registered.enough(f.passed), problem.NotVerified, map[string]any{"count": usable, "gates": f.gates()})
	wait := f.wait()
	say("throttle", wait == 0, problem.Blocked, map[string]any{"count": int((wait + time.Minute - 1) / time.Minute)})
	return rules
}

// wait is how long this person has to wait: for the account's throttles, or, when
// what is not locked is not enough, for the first method to be free.
func (f facts) wait() time.Duration {
	if f.retryAfter > 0 || f.enough(f.passed) {
		return f.retryAfter
	}
	var first time.Duration
	for _, d := range f.locked {
		if first == 0 || d < first {
			first = d
		}
	}
	return first
}

// refused gives the first "no".
func refused(rules []Rule) (problem.Code, bool) {
	for _, r := range rules {
		if !r.OK {
			return r.Problem, true
		}
	}
	return "", false
}

// unlocks tells whether this person came for an unlock and may have one.
func (f facts) unlocks() bool {
	return f.reason == Locked && f.org.Policy.Reset.UnlockWithoutReset && f.can.Unlock
}

// protected accounts follow the administrators' policy: two gates, and nothing
// that can be guessed or looked up.
func (f facts) protected() bool {
	_, admin := f.org.RoleOf(f.account.Entry.UserID)
	return admin || f.account.Entry.Privileged
}

// gates is how many this account needs now.
func (f facts) gates() int {
	n := f.org.Policy.Reset.Gates
	if f.protected() {
		n = max(n, f.org.Policy.Administrators.Gates, 2)
	}
	return max(n, 1)
}

// allowed tells whether the policy of now lets a kind prove a reset of this account.
func (f facts) allowed(k method.Kind) bool {
	if !k.Built() || !k.ProvesReset() || f.protected() && k.Class() == method.Knowledge {
		return false
	}
	for _, named := range f.org.Policy.Reset.Methods {
		if named == k {
			return true
		}
	}
	return false
}

// refusal says why a method cannot begin to prove a reset now: a key below
// "reset.why.", empty when it can.
func (f facts) refusal(m method.Method) (string, map[string]any) {
	switch {
	case !m.DisabledAt.IsZero():
		return "disabled", nil
	case !m.Usable():
		return "unproved", nil
	case !f.allowed(m.Kind):
		return "policy", nil
	case m.Kind == method.RecoveryCode && m.CodesLeft() == 0:
		return "used-up", nil
	case f.locked[m.ID] > 0:
		return "blocked", nil
	case f.waiting(m):
		return "waiting", map[string]any{"count": f.org.Policy.NewMethodWaitingHours}
	}
	return "", nil
}

func (f facts) waiting(m method.Method) bool {
	wait := time.Duration(f.org.Policy.NewMethodWaitingHours) * time.Hour
	return wait > 0 && m.ProvedAt.Add(wait).After(f.now)
}

// still tells whether what was proved with a method counts now. A recovery set
// may be used up by the very code that proved it, and a lock is about more tries.
func (f facts) still(m method.Method) bool {
	why, _ := f.refusal(m)
	return why == "" || why == "used-up" || why == "blocked"
}

// proved counts the gates that these methods pass now, one after the other.
func (f facts) proved(by []method.Method) int {
	n := 0
	var counted []method.Kind
	for _, m := range by {
		if f.still(m) && f.pairs(counted, m.Kind) {
			counted = append(counted, m.Kind)
			n++
		}
	}
	return n
}

func (f facts) pairs(with []method.Kind, k method.Kind) bool {
	for _, w := range with {
		if w.Class() == k.Class() || !f.org.Policy.PairAllowed(w, k) {
			return false
		}
	}
	return true
}

// enough tells whether the methods can pass the gates that are left after some
// were passed.
func (f facts) enough(passed []method.Kind) bool {
	if len(passed) >= f.gates() {
		return true
	}
	for _, m := range f.methods {
		if why, _ := f.refusal(m); why != "" || !f.pairs(passed, m.Kind) {
			continue
		}
		next := append(append([]method.Kind{}, passed...), m.Kind)
		if len(next) >= f.gates() || f.enough(next) {
			return true
		}
	}
	return false
}

// choices lists methods for the choose page, strongest first, with the reason
// why one cannot be used.
func (f facts) choices(passed []method.Kind) []Choice {
	var all []Choice
	for _, k := range method.Kinds() {
		for _, m := range f.methods {
			if m.Kind != k || !m.Proved {
				continue
			}
			why, args := f.refusal(m)
			switch {
			case why != "":
			case !f.pairs(passed, k):
				why = "same-class"
			case !f.enough(append(append([]method.Kind{}, passed...), k)):
				why = "no-second"
			}
			c := Choice{ID: m.ID, Kind: k, Name: m.Name, Masked: m.Masked(), Usable: why == "", Args: args}
			if why != "" {
				c.Why = "reset.why." + why
			}
			all = append(all, c)
		}
	}
	return all
}
