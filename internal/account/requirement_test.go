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
	"kunci.dev/kunci/internal/secret/secrettest"
)

// What a thief has to steal to pass a kind. Written here by hand: the rule that
// two gates are never of one sort is worth nothing when the sorts are wrong.
var sort = map[method.Kind]string{
	method.Passkey: "passkey", method.AuthenticatorCode: "authenticator", method.AuthenticatorPush: "authenticator",
	method.HardwareToken: "authenticator", method.RecoveryCode: "paper", method.Email: "mailbox", method.MobilePhone: "phone line",
	method.OfficePhone: "phone line", method.SecurityQuestions: "knowledge", method.TemporaryAccessPass: "pass",
}

// policy is one organization's rules, as the documentation of the presets says them.
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
	o := &org.Organization{ID: "contoso", Slug: "contoso", Name: "Contoso", Policy: documents[0].Policy, Administrators: documents[0].Administrators}
	// Texts and calls can be sent: a phone nobody can reach proves nothing.
	o.Channels, o.Policy.Phone.Countries = org.Channels{Text: true, Call: true}, []string{"ID"}
	return o
}

// allowed: what the organization names can prove a reset; a pass is issued, not
// named; nobody guesses into a protected account.
func (p policy) allowed(o *org.Organization, k method.Kind, protected bool) bool {
	switch {
	case !k.Built():
		return false // a policy may name a kind before it is built
	case k == method.TemporaryAccessPass:
		return true
	case k == method.SecurityQuestions: // never the only gate, and never of administrators
		return p.questions && !protected && p.gates == 2
	}
	return slices.Contains(o.Policy.Reset.Methods, k)
}

// pair: the sorts differ, and NIST does not take two codes that are both handed
// out when they are asked for (SP 800-63B-4, 4.2.2.2), nor anything that is only known.
func (p policy) pair(a, b method.Kind) bool {
	sent := func(k method.Kind) bool { return sort[k] == "mailbox" || sort[k] == "phone line" || sort[k] == "pass" }
	return sort[a] != sort[b] && !(p.nist && sent(a) && sent(b))
}

func TestWhatEveryPairOfMethodsIsEnoughFor(t *testing.T) {
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	questions := questionSet(t, 3)
	proved := func(k method.Kind) method.Method {
		m := method.Method{ID: string(k), Kind: k, Proved: true, ProvedAt: now.Add(-time.Hour), Value: "+6281234567890"}
		if k == method.SecurityQuestions {
			m.Secret = questions
		}
		return m
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
					// What is known comes after what one has.
					opens := func(k method.Kind, allowed bool) bool { return allowed && k != method.SecurityQuestions }
					want, reach := opens(a, first) || opens(b, second), 0
					if want {
						reach = 1
					}
					// A pass is for the moment: nobody is registered by it.
					const pass = method.TemporaryAccessPass
					lasting := opens(a, first) && a != pass || opens(b, second) && b != pass
					if gates == 2 {
						want = first && second && p.pair(a, b)
						lasting = want && a != pass && b != pass
						if want {
							reach = 2
						}
					}
					have := []method.Method{proved(a), proved(b)}
					usable := need.Usable(have, now)
					what := fmt.Sprintf("%s, %s, %s and %s", policyName, personName, a, b)
					if got := need.Enough(nil, usable); got != want {
						t.Errorf("%s: enough is %v", what, got)
					}
					if got := need.Sufficient(have, now); got != lasting {
						t.Errorf("%s: registered is %v", what, got)
					}
					if got := need.Reach(usable); got != reach {
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

// questionSet is a set of some answers.
func questionSet(t *testing.T, n int) []byte {
	t.Helper()
	methods, err := method.New(method.Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	var all []method.Answered
	for i, q := range method.Questions(nil)[:n] {
		all = append(all, method.Answered{Question: q, Answer: fmt.Sprintf("jawaban ke-%d", i)})
	}
	set, err := methods.NewQuestionSet(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Fewer questions than are asked now do not count: the policy asks for more than it did.
func TestTooFewQuestions(t *testing.T) {
	o := policies["questions"].organization(t)
	need := account.RequirementOf(o, account.Account{Entry: directory.Entry{UserID: "alain@contoso.com"}})
	m := method.Method{Kind: method.SecurityQuestions, Proved: true, Secret: questionSet(t, o.Policy.Questions.ToReset)}
	if why, _ := need.Refusal(m, time.Now()); why != "" {
		t.Errorf("as many as are asked: %q", why)
	}
	m.Secret = questionSet(t, o.Policy.Questions.ToReset-1)
	if why, _ := need.Refusal(m, time.Now()); why != "few" {
		t.Errorf("one less than is asked: %q", why)
	}
	m.Secret = []byte("damaged")
	if why, _ := need.Refusal(m, time.Now()); why != "few" {
		t.Errorf("a damaged set: %q", why)
	}
}

// A pass is not held up by the hours that a new method has to wait.
func TestAPassDoesNotWait(t *testing.T) {
	o := policies["kunci"].organization(t)
	o.Policy.NewMethodWaitingHours = 24
	need := account.RequirementOf(o, account.Account{Entry: directory.Entry{UserID: "alain@contoso.com"}})
	now := time.Now()
	if why, _ := need.Refusal(method.Method{Kind: method.TemporaryAccessPass, Proved: true, ProvedAt: now}, now); why != "" {
		t.Errorf("the reason is %q", why)
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
		"spent":    func(m *method.Method) { m.Kind, m.Spent = method.TemporaryAccessPass, true },
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
