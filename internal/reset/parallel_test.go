package reset_test

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"pgregory.net/rapid"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// crowd is several browsers on one account at once. What really happened is read
// from the events, which are in the same transaction as what they record; each
// carries the deed that made it.
type crowd struct {
	*world
	t       *testing.T
	rt      *rapid.T
	user    string
	account string
	methods []method.Method
	rules   []demand // that held at some moment of this round
	rounds  int

	mu     sync.Mutex
	tokens []string
	flows  map[string]*progress // by flow
	deeds  map[string]deed      // by correlation
	faults []string             // found by a deed; said when the round is over

	seen   map[string]bool // events
	used   map[string]bool // method and code
	counts map[string]*window
	most   int // wrong answers in a window
}

type demand struct {
	gates   int
	allowed []method.Kind
}

// deed is one call of one browser.
type deed struct {
	id, flow, method, code string
	at                     time.Time
}

type progress struct {
	started time.Time
	wrote   int // passwords that the directory took without a fault
}

// window counts judged answers to a method as the policy does: five wrong ones
// in an hour from the first, then nothing for a day.
type window struct {
	ends, locked time.Time
	wrong        int
}

const (
	judgedWrong = 5
	perWindow   = time.Hour
	lockedFor   = 24 * time.Hour
)

// Whatever several browsers do at once to one account, and whatever fails
// underneath: a password is written only by a flow whose own honest proofs
// satisfy a policy of that moment, once; and five wrong answers are the most that
// are judged in an hour.
func TestACrowdGetsNothingThatOneDoesNot(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		until, runs := time.Now().Add(7*time.Second), 0
		wrote, wrong := 0, 0
		rapid.Check(t, func(rt *rapid.T) {
			if runs++; time.Now().After(until) {
				return
			}
			x := newCrowd(t, rt, w, fmt.Sprintf("c%d@contoso.com", runs))
			for range rapid.IntRange(5, 14).Draw(rt, "rounds") {
				x.round()
			}
			for _, p := range x.flows {
				wrote += p.wrote
			}
			wrong = max(wrong, x.most)
		})
		if wrote == 0 || wrong == 0 {
			t.Errorf("%d passwords were written, %d answers judged wrong: it shows nothing", wrote, wrong)
		}
		t.Logf("%d walks, %d passwords written, at most %d wrong answers in a window", runs, wrote, wrong)
	})
}

func newCrowd(t *testing.T, rt *rapid.T, w *world, user string) *crowd {
	x := &crowd{world: w, t: t, rt: rt, user: user, flows: map[string]*progress{}, deeds: map[string]deed{},
		seen: map[string]bool{}, used: map[string]bool{}, counts: map[string]*window{}}
	x.people.add(user, nil)
	x.people.fault, x.people.asked = nil, x.asked
	x.methods = []method.Method{
		x.email(t, user), x.app(t, user),
		x.add(t, user, method.Method{Kind: method.Email, Value: "second-" + user + ".example.org"}),
	}
	x.world.account(t, user)
	x.account = x.methods[0].AccountID
	x.rules = []demand{{1, []method.Kind{method.Email, method.AuthenticatorCode}}}
	x.demand(x.rules[0])
	return x
}

// demand makes the policy ask for something. What locks a whole account is out of
// the way, so that a walk goes on.
func (x *crowd) demand(d demand) {
	x.policy(x.t, func(p *org.Policy) {
		p.Reset.Gates, p.Reset.Methods = d.gates, d.allowed
		p.Throttle.Resets.Limit, p.Throttle.IdentityFailures.Limit, p.Throttle.EmailSends.Limit = 1000, 1000, 1000
		p.Throttle.OrganizationFailures.Limit = 1_000_000
	})
}

// round lets several browsers act at once, then looks at what came of it.
func (x *crowd) round() {
	x.rounds++
	x.calm()
	if len(x.tokens) == 0 || rapid.IntRange(0, 4).Draw(x.rt, "start") == 0 {
		x.begin()
	}
	x.rules = x.rules[len(x.rules)-1:]
	var all []func()
	for n := range rapid.IntRange(2, 5).Draw(x.rt, "browsers") {
		all = append(all, x.browser(fmt.Sprintf("%d.%d", x.rounds, n)))
	}
	if rapid.IntRange(0, 5).Draw(x.rt, "policy") == 0 {
		d := demand{rapid.IntRange(1, 2).Draw(x.rt, "gates"), rapid.SampledFrom([][]method.Kind{
			{method.Email, method.AuthenticatorCode}, {method.Email, method.AuthenticatorCode}, {method.AuthenticatorCode, method.RecoveryCode}, {method.Email, method.RecoveryCode}, // codes nobody has
		}).Draw(x.rt, "allowed")}
		x.rules = append(x.rules, d)
		all = append(all, func() { x.demand(d) })
	}
	var group sync.WaitGroup
	for _, act := range all {
		group.Go(act)
	}
	group.Wait()
	x.judge()
}

// calm is what happens between two rounds: time passes, the directory breaks and
// mends, a method is taken away.
func (x *crowd) calm() {
	switch rapid.IntRange(0, 9).Draw(x.rt, "between") {
	case 0:
		x.clock.Advance(time.Duration(rapid.IntRange(1, 12).Draw(x.rt, "minutes")) * time.Minute)
	case 1:
		x.clock.Advance(time.Duration(rapid.IntRange(1, 30).Draw(x.rt, "hours")) * time.Hour)
	case 2, 3:
		x.clock.Advance(31 * time.Second) // an app's next code, and the end of a lease
	case 4:
		x.people.mu.Lock()
		x.people.fault = rapid.SampledFrom([]error{nil, nil, directory.ErrUnavailable, &directory.RefusedError{Rule: directory.RuleOther}}).Draw(x.rt, "fault")
		x.people.after = rapid.Bool().Draw(x.rt, "after")
		x.people.mu.Unlock()
	case 5:
		if len(x.methods) > 2 && rapid.IntRange(0, 3).Draw(x.rt, "remove") == 0 {
			gone := x.methods[len(x.methods)-1]
			must(x.t, x.db.Write(x.t.Context(), func(tx *store.Tx) error {
				_, err := x.world.methods.Delete(x.t.Context(), tx, gone.OrgID, gone.AccountID, gone.ID)
				return err
			}))
			x.methods = x.methods[:len(x.methods)-1]
		}
	}
}

func (x *crowd) begin() {
	f, token, err := x.s.Start(x.t.Context(), by, reset.StartInput{UserID: x.user, Reason: reset.Forgot, Lang: "en"})
	must(x.t, err)
	x.tokens = append(x.tokens, token)
	x.flows[f.ID] = &progress{started: x.clock.Now()}
}

// browser draws what one browser does in this round; it may share its flow with
// the others.
func (x *crowd) browser(name string) func() {
	token := x.tokens[max(0, len(x.tokens)-1-rapid.IntRange(0, 2).Draw(x.rt, "flow"))]
	m := rapid.SampledFrom(x.methods).Draw(x.rt, "method")
	walk := rapid.SampledFrom([][]string{
		{"choose", "send", "right"}, {"choose", "send", "right", "password"}, {"choose", "send"}, {"right", "right"}, {"right", "password"},
		{"wrong", "wrong", "wrong"}, {"choose", "wrong", "wrong"}, {"choose", "wrong", "wrong", "wrong", "wrong", "wrong", "wrong"}, {"choose", "send", "wrong", "right"}, {"other"}, {"back"},
		{"password"}, {"password", "password"},
	}).Draw(x.rt, "walk")
	return func() {
		for n, what := range walk {
			if err := x.do(deed{id: fmt.Sprintf("%s.%d", name, n)}, token, m, what); err != nil {
				if _, refusal := problem.As(err); !refusal {
					x.fault("%s: %v", what, err)
				}
			}
		}
	}
}

func (x *crowd) fault(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.faults = append(x.faults, fmt.Sprintf(format, args...))
}

func (x *crowd) do(d deed, token string, m method.Method, what string) error {
	f, err := x.s.Open(x.t.Context(), token)
	if err != nil {
		return err
	}
	d.flow, d.at, d.method = f.ID, x.clock.Now(), f.MethodID
	switch what {
	case "right":
		d.code = x.right(f)
	case "wrong":
		d.code = wrongCode(x.right(f))
	case "other":
		d.code = x.foreign(f)
	}
	x.mu.Lock()
	x.deeds[d.id] = d
	x.mu.Unlock()
	ctx := context.WithValue(x.t.Context(), deedKey{}, d)
	actor := by
	actor.Correlation = d.id
	switch what {
	case "choose":
		_, err = x.s.Choose(ctx, actor, f, m.ID)
	case "send":
		_, err = x.s.Send(ctx, actor, f)
	case "back":
		_, err = x.s.Back(ctx, actor, f)
	case "password":
		var r reset.Reply
		r, err = x.s.SetPassword(ctx, actor, f, good)
		if err == nil && r.Flow.State == reset.Done && r.Flow.ID != f.ID {
			x.fault("another flow was finished")
		}
	default:
		if f.MethodID != "" && d.code != "" {
			_, err = x.s.Answer(ctx, actor, f, f.MethodID, d.code)
		}
	}
	return err
}

// right is an honest answer for the method that a flow is proving.
func (x *crowd) right(f reset.Flow) string {
	i := slices.IndexFunc(x.methods, func(m method.Method) bool { return m.ID == f.MethodID })
	if i < 0 {
		return ""
	}
	if m := x.methods[i]; m.Kind == method.AuthenticatorCode {
		code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(m.Secret), x.clock.Now())
		if err != nil {
			x.fault("an app's code: %v", err)
		}
		return code
	}
	last := ""
	x.sent(func(d deed, to, code string) {
		if d.flow == f.ID && to == x.methods[i].Value {
			last = code
		}
	})
	return last
}

// foreign is a code that was sent for another flow of the account, or for
// another method of this one.
func (x *crowd) foreign(f reset.Flow) string {
	other := ""
	x.sent(func(d deed, to, code string) {
		if d.flow != f.ID || d.method != f.MethodID {
			other = code
		}
	})
	return other
}

// sent goes through the codes mailed in this walk, the oldest first.
func (x *crowd) sent(do func(d deed, to, code string)) {
	x.out.mu.Lock()
	defer x.out.mu.Unlock()
	for i, m := range x.out.sent {
		d, ok := x.out.by[i].(deed)
		if c, isCode := m.Body.(notify.Code); ok && isCode && c.UserID == x.user {
			do(d, m.To, c.Code)
		}
	}
}

// events of this account, the oldest first.
func (x *crowd) events(ctx context.Context) []audit.Record {
	var all []audit.Record
	err := x.db.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = x.audit.List(ctx, tx, audit.Query{Target: x.account, Limit: 1000, WithoutPeople: true})
		return err
	})
	if err != nil {
		x.fault("events: %v", err)
	}
	slices.Reverse(all)
	return all
}

// asked is called where the directory is asked to write: with nothing proved
// after this moment can it be justified.
func (x *crowd) asked(ctx context.Context, _ string) {
	d, ok := ctx.Value(deedKey{}).(deed)
	if !ok {
		x.fault("a password was written by nobody")
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.flows[d.flow]
	if p.wrote > 0 {
		x.faults = append(x.faults, "a flow wrote twice")
	}
	x.people.mu.Lock()
	if x.people.fault == nil {
		p.wrote++
	}
	x.people.mu.Unlock()
	if x.clock.Now().Sub(p.started) >= reset.Life {
		x.faults = append(x.faults, fmt.Sprintf("written %v after the start", x.clock.Now().Sub(p.started)))
	}
	var proved []method.Method
	x.mu.Unlock() // reading the events may take as long as another deed
	events := x.events(ctx)
	x.mu.Lock()
	for _, e := range events {
		if e.Kind != audit.ResetGatePassed || x.deeds[e.Correlation].flow != d.flow {
			continue
		}
		if i := slices.IndexFunc(x.methods, func(m method.Method) bool { return m.ID == e.MethodID }); i >= 0 {
			proved = append(proved, x.methods[i])
		}
	}
	if !slices.ContainsFunc(x.rules, func(r demand) bool { return r.met(proved) }) {
		x.faults = append(x.faults, fmt.Sprintf("written on the proofs %v, with %v asked for", proved, x.rules))
	}
}

func (r demand) met(by []method.Method) bool {
	classes := map[method.Class]bool{}
	for _, m := range by {
		if slices.Contains(r.allowed, m.Kind) {
			classes[m.Kind.Class()] = true
		}
	}
	return len(classes) >= r.gates
}

// judge goes through the events of a round.
func (x *crowd) judge() {
	for _, e := range x.events(x.t.Context()) {
		if x.seen[e.ID] {
			continue
		}
		x.seen[e.ID] = true
		switch e.Kind {
		case audit.ResetGatePassed:
			x.honest(e)
			x.count(e, false)
		case audit.ResetGateFailed:
			if e.Reason == string(problem.CodeWrong) {
				x.count(e, true)
			}
		case audit.ResetCompleted:
			clear(x.counts) // a reset clears them
		}
	}
	if len(x.faults) > 0 {
		x.rt.Fatalf("%v", errors.New(x.faults[0]))
	}
}

// honest looks whether what passed was a right code of this very flow, in its
// minutes, for the first time.
func (x *crowd) honest(e audit.Record) {
	d := x.deeds[e.Correlation]
	i := slices.IndexFunc(x.methods, func(m method.Method) bool { return m.ID == e.MethodID })
	if i < 0 || d.method != e.MethodID {
		x.rt.Fatalf("passed by a method that is not there, or another one: %+v", e)
	}
	m, ok := x.methods[i], false
	if m.Kind == method.AuthenticatorCode {
		code, err := totp.GenerateCode(base32.StdEncoding.EncodeToString(m.Secret), d.at)
		must(x.t, err)
		ok = code == d.code
	}
	x.sent(func(s deed, to, code string) {
		if s.flow == d.flow && to == m.Value && code == d.code && d.at.Sub(s.at) < 10*time.Minute {
			ok = true
		}
	})
	if !ok || x.used[m.ID+d.code] || d.at.Sub(x.flows[d.flow].started) >= reset.Life {
		x.rt.Fatalf("passed with a dishonest code (right %v, used %v)", ok, x.used[m.ID+d.code])
	}
	x.used[m.ID+d.code] = true
}

func (x *crowd) count(e audit.Record, wrong bool) {
	c := x.counts[e.MethodID]
	if c == nil {
		c = &window{}
		x.counts[e.MethodID] = c
	}
	now := e.Time
	if now.Before(c.locked) {
		x.rt.Fatalf("an answer was judged %v before the lock ends", c.locked.Sub(now))
	}
	if !now.Before(c.ends) {
		*c = window{ends: now.Add(perWindow)}
	}
	if !wrong {
		return
	}
	if c.wrong++; c.wrong > judgedWrong {
		x.rt.Fatalf("%d wrong answers were judged in one window", c.wrong)
	}
	if x.most = max(x.most, c.wrong); c.wrong == judgedWrong {
		c.locked = now.Add(lockedFor)
	}
}
