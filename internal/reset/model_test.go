package reset_test

import (
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// walker knows, from outside, which proofs were honest: a right code of this
// very flow, in its minutes, given for the first time.
type walker struct {
	*world
	t       *testing.T
	rt      *rapid.T
	user    string
	methods []method.Method
	flows   []*seen
	used    map[string]bool
	gates   int
	allowed []method.Kind
	codes   []string // everything ever sent, of anybody
}

type seen struct {
	flow   reset.Flow
	start  time.Time
	code   string // the last one sent for it
	sentAt time.Time
	proofs []method.Method
}

// Whatever people do, and whatever goes wrong underneath: a password is written
// only by a flow whose own honest proofs satisfy the policy of that moment.
func TestAPasswordIsWrittenOnlyOnEnoughProofs(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		until, runs, steps := time.Now().Add(6*time.Second), 0, 40
		if db.Kind() == store.PostgreSQL {
			steps = 25
		}
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; time.Now().After(until) && w.people.writes > 0 { // a busy machine walks on until one did
				return
			}
			x := &walker{world: w, t: t, rt: rt, user: fmt.Sprintf("u%d@contoso.com", runs), used: map[string]bool{}, gates: 1}
			x.people.add(x.user, nil)
			x.people.fault = nil
			x.methods = []method.Method{x.email(t, x.user), x.app(t, x.user)}
			x.allowed = []method.Kind{method.Email, method.AuthenticatorCode}
			x.setPolicy()
			for range rapid.IntRange(15, steps).Draw(rt, "steps") {
				x.step()
			}
		})
		if w.people.writes == 0 {
			t.Error("no walk ever wrote a password: it shows nothing")
		}
		t.Logf("%d walks, %d passwords written", runs, w.people.writes)
	})
}

func (x *walker) step() {
	switch rapid.SampledFrom([]string{
		"start", "choose", "send", "gate", "gate", "gate", "right", "right", "right", "wrong", "other", "repeat", "password", "password", "fault", "clock", "policy", "remove",
	}).Draw(x.rt, "do") {
	case "start":
		f := x.start(x.t, x.user, reset.Forgot)
		if f.State == reset.Choosing {
			x.flows = append(x.flows, &seen{flow: f, start: x.clock.Now()})
		}
	case "choose":
		x.with(func(s *seen) error {
			m := rapid.SampledFrom(x.methods).Draw(x.rt, "method")
			// A code that was sent lives on while another method is looked at.
			return s.took(x.s.Choose(x.t.Context(), by, s.flow, m.ID))
		})
	case "send":
		x.with(func(s *seen) error {
			before := len(x.out.sent)
			r, err := x.s.Send(x.t.Context(), by, s.flow)
			if len(x.out.sent) > before {
				if code := x.out.lastCode(); code != s.code {
					s.code, s.sentAt = code, x.clock.Now()
				}
				x.codes = append(x.codes, s.code)
			}
			return s.took(r, err)
		})
	case "gate": // choose, send and a right answer in a row
		x.with(func(s *seen) error {
			r, err := x.s.Choose(x.t.Context(), by, s.flow, rapid.SampledFrom(x.methods).Draw(x.rt, "method").ID)
			if err != nil {
				return err
			}
			s.flow = r.Flow
			if r, err = x.s.Send(x.t.Context(), by, s.flow); err != nil {
				return err
			}
			if s.flow = r.Flow; s.flow.State == reset.Verifying && r.Code == "" {
				if m, ok := x.chosen(s); ok && m.Kind == method.Email {
					if code := x.out.lastCode(); code != s.code {
						s.code, s.sentAt = code, x.clock.Now()
					}
				}
			}
			return x.answer(s, x.right(s))
		})
	case "right":
		x.with(func(s *seen) error { return x.answer(s, x.right(s)) })
	case "wrong":
		x.with(func(s *seen) error { return x.answer(s, wrongCode(x.right(s))) })
	case "other":
		if len(x.codes) > 0 {
			x.with(func(s *seen) error { return x.answer(s, rapid.SampledFrom(x.codes).Draw(x.rt, "code")) })
		}
	case "repeat":
		x.with(func(s *seen) error { c := x.right(s); return errors.Join(x.answer(s, c), x.answer(s, c)) })
	case "password":
		x.with(x.password)
	case "fault":
		x.people.fault = rapid.SampledFrom([]error{nil, directory.ErrUnavailable, &directory.RefusedError{Rule: directory.RuleOther}}).Draw(x.rt, "fault")
		x.people.after = rapid.Bool().Draw(x.rt, "after")
	case "clock":
		x.clock.Advance(time.Duration(rapid.IntRange(1, 360).Draw(x.rt, "seconds")) * time.Second)
	case "policy":
		x.gates = rapid.IntRange(1, 2).Draw(x.rt, "gates")
		x.allowed = rapid.SampledFrom([][]method.Kind{
			{method.Email, method.AuthenticatorCode}, {method.Email, method.RecoveryCode}, {method.AuthenticatorCode, method.RecoveryCode}, // codes nobody has
		}).Draw(x.rt, "allowed")
		x.setPolicy()
	case "remove":
		if len(x.methods) > 1 && rapid.IntRange(0, 4).Draw(x.rt, "really") == 0 {
			gone := x.methods[len(x.methods)-1]
			must(x.t, x.db.Write(x.t.Context(), func(tx *store.Tx) error {
				_, err := x.world.methods.Delete(x.t.Context(), tx, gone.OrgID, gone.AccountID, gone.ID)
				return err
			}))
			x.methods = x.methods[:len(x.methods)-1]
		}
	}
}

func (x *walker) setPolicy() {
	x.policy(x.t, func(p *org.Policy) { p.Reset.Gates, p.Reset.Methods = x.gates, x.allowed })
}

// with picks a flow; refusals are part of the walk, faults of ours are not.
func (x *walker) with(do func(*seen) error) {
	if len(x.flows) == 0 {
		return
	}
	s := x.flows[rapid.IntRange(0, len(x.flows)-1).Draw(x.rt, "flow")]
	if err := do(s); err != nil {
		if _, refusal := problem.As(err); !refusal {
			x.rt.Fatalf("fault: %v", err)
		}
	}
}

func (s *seen) took(r reset.Reply, err error) error {
	if err == nil {
		s.flow = r.Flow
	}
	return err
}

func (x *walker) chosen(s *seen) (method.Method, bool) {
	i := slices.IndexFunc(x.methods, func(m method.Method) bool { return m.ID == s.flow.MethodID })
	if i < 0 {
		return method.Method{}, false
	}
	return x.methods[i], true
}

// right is the honest code of the flow's method now; empty when there is none.
func (x *walker) right(s *seen) string {
	m, ok := x.chosen(s)
	switch {
	case !ok:
		return ""
	case m.Kind == method.AuthenticatorCode:
		code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(m.Secret), x.clock.Now())
		must(x.t, err)
		return code
	case x.clock.Now().Sub(s.sentAt) >= 10*time.Minute:
		return ""
	}
	return s.code
}

func (x *walker) answer(s *seen, code string) error {
	m, ok := x.chosen(s)
	if !ok || s.flow.State != reset.Verifying || code == "" {
		return nil
	}
	honest := code == x.right(s)
	r, err := x.s.Answer(x.t.Context(), by, s.flow, s.flow.MethodID, code)
	if err != nil {
		return err
	}
	passed := r.Code == "" && r.Flow.MethodID == "" && (r.Flow.State == reset.Choosing || r.Flow.State == reset.ChoosingPassword)
	if passed {
		if !honest || x.used[m.ID+code] || x.clock.Now().Sub(s.start) >= reset.Life {
			x.rt.Fatalf("passed with a dishonest code (right %v, used %v)", honest, x.used[m.ID+code])
		}
		x.used[m.ID+code] = true
		s.proofs = append(s.proofs, m)
	}
	return s.took(r, nil)
}

func (x *walker) password(s *seen) error {
	before := x.people.writes
	r, err := x.s.SetPassword(x.t.Context(), by, s.flow, good)
	if x.people.writes > before {
		x.satisfied(s)
	}
	if r.Step.Page == reset.PageDone && s.flow.State != reset.Done && x.people.writes == before && err == nil {
		x.rt.Fatalf("done, but nothing was written")
	}
	return s.took(r, err)
}

func (x *walker) satisfied(s *seen) {
	classes := map[method.Class]bool{}
	for _, p := range s.proofs {
		registered := slices.ContainsFunc(x.methods, func(m method.Method) bool { return m.ID == p.ID })
		if registered && slices.Contains(x.allowed, p.Kind) {
			classes[p.Kind.Class()] = true
		}
	}
	if len(classes) < x.gates || x.clock.Now().Sub(s.start) >= reset.Life {
		x.rt.Fatalf("written with %d of %d gates, %v after the start", len(classes), x.gates, x.clock.Now().Sub(s.start))
	}
}
