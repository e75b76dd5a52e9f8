package reset

import (
	"slices"
	"strings"
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
	registered := f
	registered.locked = nil // what waits for a lock to end is registered all the same; "throttle" tells of it
	usable := 0
	for _, m := range f.methods {
		if why, _ := registered.refusal(m); why == "" {
			usable++
		}
	}
	say("methods", registered.enough(f.passed), problem.NotVerified, map[string]any{"count": usable, "gates": f.gates()})
	wait := f.wait()
	say("throttle", wait == 0, problem.Blocked, map[string]any{"count": int((wait + time.Minute - 1) / time.Minute)})
	return rules
}

// pair says, where two gates are asked for, which two of the methods may pass them,
// or that no two of them may. It explains the rule "methods" and decides nothing.
func (f facts) pair() (Rule, bool) {
	need := f.requirement()
	f.locked = nil
	var usable []method.Kind
	for _, m := range f.methods {
		if why, _ := f.refusal(m); why == "" && !slices.Contains(usable, m.Kind) {
			usable = append(usable, m.Kind)
		}
	}
	if need.Gates() < 2 || len(usable) == 0 {
		return Rule{}, false
	}
	for _, a := range method.Kinds() {
		for _, b := range method.Kinds() {
			if slices.Contains(usable, a) && slices.Contains(usable, b) && need.Pairs(nil, a) && need.Pairs([]method.Kind{a}, b) {
				return Rule{Name: "pair", OK: true, Key: "reset.rule.pair.yes", Args: map[string]any{"first": string(a), "second": string(b)}}, true
			}
		}
	}
	names := make([]string, len(usable))
	for i, k := range usable {
		names[i] = string(k)
	}
	return Rule{
		Name: "pair", Key: "reset.rule.pair.no", Problem: problem.NotVerified,
		Args: map[string]any{"methods": strings.Join(names, ", "), "preset": f.org.Policy.Preset},
	}, true
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

func (f facts) requirement() account.Requirement { return account.RequirementOf(f.org, f.account) }

// gates is how many this account needs now.
func (f facts) gates() int { return f.requirement().Gates() }

// refusal says why a method cannot begin to prove a reset now: a key below
// "reset.why.", empty when it can.
func (f facts) refusal(m method.Method) (string, map[string]any) {
	why, args := f.requirement().Refusal(m, f.now)
	if (why == "" || why == "waiting") && f.locked[m.ID] > 0 {
		return "blocked", nil
	}
	return why, args
}

// still tells whether what was proved with a method counts now. A recovery set
// or a pass may be used up by the very code that proved it, and a lock is about
// more tries.
func (f facts) still(m method.Method) bool {
	why, _ := f.refusal(m)
	return why == "" || why == "used-up" || why == "spent" || why == "blocked"
}

// proved counts the gates that these methods pass now, one after the other.
func (f facts) proved(by []method.Method) int {
	n := 0
	var counted []method.Kind
	for _, m := range by {
		if f.still(m) && f.requirement().Pairs(counted, m.Kind) {
			counted = append(counted, m.Kind)
			n++
		}
	}
	return n
}

// enough tells whether the methods can pass the gates that are left after some
// were passed.
func (f facts) enough(passed []method.Kind) bool {
	var usable []method.Kind
	for _, m := range f.methods {
		if why, _ := f.refusal(m); why == "" {
			usable = append(usable, m.Kind)
		}
	}
	return f.requirement().Enough(passed, usable)
}

// choices lists methods for the choose page, strongest first, with the reason
// why one cannot be used.
func (f facts) choices(passed []method.Kind) []Choice {
	var all []Choice
	for _, k := range method.Kinds() {
		for _, m := range f.methods {
			if m.Kind != k || !m.Proved || m.Spent { // of a pass that is spent strangers learn nothing
				continue
			}
			why, args := f.refusal(m)
			switch {
			case why != "":
			case k.Class() == method.Knowledge && len(passed) == 0:
				why = "second-only"
			case !f.requirement().Pairs(passed, k):
				why = "same-class"
			case !f.enough(append(append([]method.Kind{}, passed...), k)):
				why = "no-second"
			}
			c := Choice{ID: m.ID, Kind: k, Name: m.Name, Masked: m.Masked(), Digits: m.OATH.Digits, Usable: why == "", Args: args}
			if why != "" {
				c.Why = "reset.why." + why
			}
			all = append(all, c)
		}
	}
	return onePasskey(all)
}

// onePasskey leaves one of several passkeys, one that can be used before one that
// cannot: people do not know which is on the device in their hand, so proving
// one choice takes any of them.
func onePasskey(all []Choice) []Choice {
	var left []Choice
	at := -1
	for _, c := range all {
		switch {
		case c.Kind != method.Passkey:
			left = append(left, c)
		case at < 0:
			at, left = len(left), append(left, c)
		case c.Usable && !left[at].Usable:
			left[at] = c
		}
	}
	if at >= 0 {
		left[at].Name = "" // of all of them
	}
	return left
}

// passkeys are the ids of those that can pass the gate after what was passed.
func (f facts) passkeys() []string {
	ids := []string{}
	for _, m := range f.methods {
		if why, _ := f.refusal(m); m.Kind == method.Passkey && why == "" {
			ids = append(ids, m.ID)
		}
	}
	return ids
}
