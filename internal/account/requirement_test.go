package account_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// What a thief has to steal to pass a kind. Written here by hand: the rule that
// two gates are never of one sort is worth nothing when the sorts are wrong.
var sort = map[method.Kind]string{
	method.Passkey: "passkey", method.AuthenticatorCode: "authenticator", method.AuthenticatorPush: "authenticator",
	method.HardwareToken: "authenticator", method.RecoveryCode: "paper", method.Email: "mailbox", method.MobilePhone: "phone line",
	method.OfficePhone: "phone line", method.SecurityQuestions: "knowledge", method.TemporaryAccessPass: "pass",
}

// policy is one organization's rules, as DESIGN's section 5 and the presets say them.
type policy struct {
	file      string
	gates     int  // of somebody who is not protected
	questions bool // named
	nist      bool
}

var policies = map[string]policy{
	"kunci":     {"preset: kunci", 1, false, false},
	"entra":     {"preset: entra", 1, false, false},
	"nist_aal2": {"preset: nist_aal2", 2, false, true},
	"asvs":      {"preset: asvs", 2, false, false},
	"questions": {"preset: kunci\n  reset: {gates: 2, methods: [authenticator_code, recovery_code, email, security_questions]}", 2, true, false},
}

func (p policy) organization(t *testing.T) *org.Organization {
	t.Helper()
	file := "organization: contoso\nname: Contoso\ndomains: [contoso.com]\nadministrators: [{user_id: adele@contoso.com, role: owner}]\npolicy:\n  " + p.file + "\n"
	documents, err := org.Parse(strings.NewReader(file), "")
	if err != nil {
		t.Fatal(err)
	}
	return &org.Organization{ID: "contoso", Slug: "contoso", Name: "Contoso", Policy: documents[0].Policy, Administrators: documents[0].Administrators}
}

// allowed: what the organization names can prove a reset; a pass is issued, not
// named; nobody guesses into a protected account.
func (p policy) allowed(o *org.Organization, k method.Kind, protected bool) bool {
	switch {
	case !k.Built():
		return false // a policy may name a kind before it is built
	case k == method.TemporaryAccessPass:
		return true
	case k == method.SecurityQuestions:
		return p.questions && !protected
	}
	return slices.Contains(o.Policy.Reset.Methods, k)
}

// pair: the sorts differ, and NIST does not take two codes that are both sent
// (SP 800-63B-4, 4.2.2.2), nor anything that is only known.
func (p policy) pair(a, b method.Kind) bool {
	sent := func(k method.Kind) bool { return sort[k] == "mailbox" || sort[k] == "phone line" }
	return sort[a] != sort[b] && !(p.nist && sent(a) && sent(b))
}

func TestWhatEveryPairOfMethodsIsEnoughFor(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	proved := func(k method.Kind) method.Method {
		return method.Method{ID: string(k), Kind: k, Proved: true, ProvedAt: now.Add(-time.Hour), Value: "x"}
	}
	people := map[string]struct {
		account   account.Account
		protected bool
	}{
		"anybody":          {account.Account{Entry: directory.Entry{UserID: "alain@contoso.com"}}, false},
		"an administrator": {account.Account{Entry: directory.Entry{UserID: "Adele@contoso.com"}}, true},
		"one the directory protects": {
			account.Account{Entry: directory.Entry{UserID: "root@contoso.com", Privileged: true}}, true,
		},
	}
	enough := 0
	for policyName, p := range policies {
		o := p.organization(t)
		for personName, person := range people {
			need := account.RequirementOf(o, person.account)
			gates := p.gates
			if person.protected {
				gates = 2
			}
			if need.Gates() != gates || need.Protected() != person.protected {
				t.Errorf("%s, %s: %d gates, protected %v", policyName, personName, need.Gates(), need.Protected())
			}
			for _, a := range method.Kinds() {
				for _, b := range method.Kinds() {
					first, second := p.allowed(o, a, person.protected), p.allowed(o, b, person.protected)
					want, reach := first || second, 0
					if want {
						reach = 1
					}
					if gates == 2 {
						want = first && second && p.pair(a, b)
						if want {
							reach = 2
						}
					}
					have := []method.Method{proved(a), proved(b)}
					what := fmt.Sprintf("%s, %s, %s and %s", policyName, personName, a, b)
					if got := need.Sufficient(have, now); got != want {
						t.Errorf("%s: enough is %v", what, got)
					}
					if got := need.Reach(need.Usable(have, now)); got != reach {
						t.Errorf("%s: passes %d gates, want %d", what, got, reach)
					}
					if want {
						enough++
					}
				}
			}
		}
	}
	if enough < 50 {
		t.Errorf("only %d pairs are enough for anything", enough)
	}
}

// A method that cannot be used now does not make it enough.
func TestWhatDoesNotCount(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	o := policies["kunci"].organization(t)
	o.Policy.NewMethodWaitingHours = 2
	need := account.RequirementOf(o, account.Account{Entry: directory.Entry{UserID: "alain@contoso.com"}})
	for why, change := range map[string]func(*method.Method){
		"":         func(*method.Method) {},
		"unproved": func(m *method.Method) { m.Proved = false },
		"disabled": func(m *method.Method) { m.DisabledAt = now },
		"policy":   func(m *method.Method) { m.Kind = method.SecurityQuestions },
		"used-up":  func(m *method.Method) { m.Kind, m.UsedCodes = method.RecoveryCode, 1<<method.RecoveryCodes-1 },
		"waiting":  func(m *method.Method) { m.ProvedAt = now.Add(-2*time.Hour + time.Second) },
	} {
		m := method.Method{Kind: method.Email, Proved: true, ProvedAt: now.Add(-2 * time.Hour)}
		change(&m)
		if got, _ := need.Refusal(m, now); got != why {
			t.Errorf("%s: the reason is %q", why, got)
		}
		if got := need.Sufficient([]method.Method{m}, now); got != (why == "") {
			t.Errorf("%s: enough is %v", why, got)
		}
	}
}
