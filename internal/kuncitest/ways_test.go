package kuncitest_test

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify/notifytest"
	sessions "kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

// way is one row of the table of every kind: how somebody comes to hold it, and
// what replay means for it. ways_attack_test.go holds every row to the same rules.
type way struct {
	name string
	kind method.Kind
	// give registers it for somebody.
	give func(t *testing.T, p *kuncitest.Product, h *held)
	// right and wrong make what is posted where the page asks. n tells wrong ones apart.
	right func(t *testing.T, a asked) url.Values
	wrong func(t *testing.T, a asked, n int) url.Values
	// fresh makes that the next right answer is another one. It gives false where
	// there is no other.
	fresh func(p *kuncitest.Product, h *held) bool
	// again is what another flow says to an answer that was accepted once; empty:
	// what is known is no less right the second time. againIn is what another
	// session says where that is something else.
	again, againIn string
	// bound answers are those of one challenge; alone tells that another flow of
	// the same account has another answer.
	bound, alone bool
	// channel is how a code is asked to be sent.
	channel string
}

// held is one method in the hand of its person.
type held struct {
	way    *way
	userID string
	id     string
	number string // of a phone, as its person types it
	codes  []string
	token  method.Token
	step   int64
	device *kuncitest.Device // a passkey's
	phone  *person           // where requests are answered
	seed   []byte
	index  int // which person of the crowd it is
}

// seedOf is a secret of somebody's that is the same in every run, so that no run
// happens to guess it.
func seedOf(userID string) []byte {
	sum := sha1.Sum([]byte("a seed of " + userID))
	return sum[:]
}

func (h *held) add(t *testing.T, p *kuncitest.Product, m method.Method) {
	t.Helper()
	a := find(t, p, h.userID).Account
	m.OrgID, m.AccountID, m.Kind, m.Proved, m.ProvedBy = a.OrgID, a.ID, h.way.kind, true, method.ByPerson
	err := p.App.DB.Write(t.Context(), func(tx *store.Tx) (err error) {
		m, err = p.App.Methods.Add(t.Context(), tx, m)
		return err
	})
	if err != nil {
		t.Fatalf("giving %s a %s: %v", h.userID, h.way.kind, err)
	}
	h.id = m.ID
}

// everyWay is the table. A kind of the product that is not in it fails TestTheTableIsWhole.
func everyWay() []*way {
	return []*way{
		{name: "passkey", kind: method.Passkey, give: givePasskey, right: signedBy(""), wrong: func(t *testing.T, a asked, _ int) url.Values {
			return signedBy("https://login-contoso.example")(t, a)
		}, again: "code-wrong", againIn: "code-expired", bound: true, alone: true},
		{name: "authenticator_code", kind: method.AuthenticatorCode, give: giveApp, right: shownByApp, wrong: guessed, again: "code-used", fresh: halfMinute},
		{name: "authenticator_push", kind: method.AuthenticatorPush, give: givePush, right: typedOnDevice, wrong: mistyped, again: "code-expired", bound: true, alone: true, fresh: pause},
		{name: "hardware_token clock", kind: method.HardwareToken, give: giveToken(false), right: shownByToken, wrong: guessed, again: "code-used", fresh: pressed},
		{name: "hardware_token counter", kind: method.HardwareToken, give: giveToken(true), right: shownByToken, wrong: guessed, again: "code-used", fresh: pressed},
		{name: "recovery_code", kind: method.RecoveryCode, give: givePaper, right: onPaper, wrong: misread, again: "code-used", fresh: crossedOut},
		{name: "email", kind: method.Email, give: giveMailbox, right: arrived, wrong: guessed, again: "code-wrong", bound: true},
		{name: "mobile_phone text", kind: method.MobilePhone, give: givePhone("+6281234567", ""), right: arrived, wrong: guessed, again: "code-wrong", bound: true, channel: "sms"},
		{name: "mobile_phone call", kind: method.MobilePhone, give: givePhone("+6281234566", ""), right: arrived, wrong: guessed, again: "code-wrong", bound: true, channel: "call"},
		{name: "office_phone", kind: method.OfficePhone, give: givePhone("+62215550", "x12"), right: arrived, wrong: guessed, again: "code-wrong", bound: true},
		{name: "security_questions", kind: method.SecurityQuestions, give: giveQuestions, right: remembered(""), wrong: func(t *testing.T, a asked, n int) url.Values {
			return remembered(fmt.Sprintf("keliru %d", n))(t, a)
		}},
		{name: "temporary_access_pass", kind: method.TemporaryAccessPass, give: givePass, right: onPaper, wrong: misread, again: "method-not-allowed", fresh: func(*kuncitest.Product, *held) bool { return false }},
	}
}

// The table holds every kind that the product can verify, and every door that a
// kind opens is tried: a new kind needs a row.
func TestTheTableIsWhole(t *testing.T) {
	rows := make(map[method.Kind]int)
	for _, w := range everyWay() {
		rows[w.kind]++
		if w.again == "" && w.kind != method.SecurityQuestions {
			t.Errorf("%s may be answered twice by one answer", w.name)
		}
	}
	for _, k := range method.Kinds() {
		if challenge.Verifies(k) && rows[k] == 0 {
			t.Errorf("%s has no row", k)
		}
		if k.Built() && !challenge.Verifies(k) {
			t.Errorf("%s is offered and cannot be verified", k)
		}
	}
	for k, want := range map[method.Kind]int{method.HardwareToken: 2, method.MobilePhone: 2} {
		if rows[k] != want {
			t.Errorf("%s has %d rows, want one for each form of it", k, rows[k])
		}
	}
}

// wayPolicy is Contoso where every kind is on. Only the limit on wrong answers
// is the product's own: the others would end the tests before it does.
func wayPolicy(gates int, kinds []method.Kind) string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		if k != method.TemporaryAccessPass && (gates == 2 || k != method.SecurityQuestions) {
			names = append(names, string(k))
		}
	}
	return fmt.Sprintf(`
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
policy:
  reset: {gates: %d, methods: [%s]}
  registration: {required_at_sign_in: false}
  questions: {to_register: 3, to_reset: 3}
  captcha: off
  phone: {countries: [ID], per_day: 100}
  throttle: {identity_failures: {limit: 100, per: 24h, lock: 24h}, resets: {limit: 100, per: 1h, lock: 24h}, email_sends: {limit: 100, per: 10m, lock: 24h}, phone_sends: {limit: 100, per: 1h, lock: 24h}}
`, gates, strings.Join(names, ", "))
}

// wayPeople are as many as there are things to try. Each has a password, which
// nobody types: the tests begin where it was.
func wayPeople() string {
	rows := "user_id,display_name,password\n"
	for n := range 13 {
		rows += fmt.Sprintf("orang%d@contoso.com,Orang %d,\"$argon2id$v=19$m=19456,t=2,p=1$%s$%s\"\n", n, n,
			base64.RawStdEncoding.EncodeToString(make([]byte, 16)), base64.RawStdEncoding.EncodeToString(make([]byte, 32)))
	}
	return rows
}

// passworded is a browser in which somebody typed the password, and nothing more.
func (c *crowd) passworded(userID string) *kuncitest.Browser {
	c.t.Helper()
	a, b, token := find(c.t, c.p, userID).Account, c.p.Browser(), ""
	err := c.p.App.DB.Write(c.t.Context(), func(tx *store.Tx) error {
		window, fresh, err := c.p.App.Sessions.Open(c.t.Context(), tx, "")
		if err != nil {
			return err
		}
		token = fresh
		_, err = c.p.App.Sessions.Begin(c.t.Context(), tx, window.ID, sessions.Begin{OrgID: a.OrgID, AccountID: a.ID, UserID: userID, Level: sessions.Partial})
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	b.SetCookie("kunci-session", token)
	wantAt(c.t, b.Get("/signin/verify"), "/signin/verify")
	return b
}

// crowd gives out the people of one product, each once.
type crowd struct {
	t    *testing.T
	p    *kuncitest.Product
	next int
}

func startCrowd(t *testing.T, kind store.Kind) *crowd {
	t.Helper()
	return &crowd{t: t, p: kuncitest.Start(t, kuncitest.Options{
		Kind: kind, Organization: wayPolicy(1, method.Kinds()), Accounts: wayPeople(), Phones: &notifytest.GatewayOptions{}, Localhost: true,
	})}
}

// policy is one gate or two, by the kinds that are left.
func (c *crowd) policy(gates int, without ...method.Kind) {
	c.t.Helper()
	c.p.Apply(wayPolicy(gates, slices.DeleteFunc(method.Kinds(), func(k method.Kind) bool { return slices.Contains(without, k) })))
}

// somebody holds a way and something of another class besides: a mailbox, or an
// app where the way is one.
func (c *crowd) somebody(w *way) (h, other *held) {
	c.t.Helper()
	userID := fmt.Sprintf("orang%d@contoso.com", c.next)
	beside := &way{name: "email beside", kind: method.Email, give: giveMailbox, right: arrived}
	switch w.kind.Class() {
	case method.Mailbox, method.Knowledge, method.Pass: // which do not ask for a second factor
		beside = &way{name: "app beside", kind: method.AuthenticatorCode, give: giveApp, right: shownByApp, fresh: halfMinute}
	}
	h, other = &held{way: w, userID: userID, index: c.next}, &held{way: beside, userID: userID, index: c.next}
	c.next++
	for _, one := range []*held{other, h} {
		one.way.give(c.t, c.p, one)
	}
	return h, other
}

// door is where something is proved.
type door struct {
	name           string
	path, page     string
	passed, failed audit.Kind
	opens          func(k method.Kind) bool
}

var (
	resetDoor  = door{"reset", "/reset/verify", "reset-verify", audit.ResetGatePassed, audit.ResetGateFailed, method.Kind.ProvesReset}
	signInDoor = door{"sign-in", "/signin/verify", "signin-verify", audit.SignInSucceeded, audit.SignInFailed, method.Kind.ProvesSignIn}
)

func (d door) other() door {
	if d.name == resetDoor.name {
		return signInDoor
	}
	return resetDoor
}

// asked is a browser that stands where a held method is asked for.
type asked struct {
	t    *testing.T
	p    *kuncitest.Product
	door door
	h    *held
	b    *kuncitest.Browser
	page *kuncitest.Page
	code string // that was sent for it
}

// open walks with a new browser until a method is asked for. page is where the
// walk ended; ok is false where that is elsewhere.
func (c *crowd) open(d door, h, other *held) (a asked, ok bool) {
	c.t.Helper()
	a = asked{t: c.t, p: c.p, door: d, h: h, b: c.p.Browser()}
	if d.name == signInDoor.name {
		a.b = c.passworded(h.userID)
		return a.choose()
	}
	a.b.Get("/reset").Want(http.StatusOK, "reset-identify")
	if a.page = a.b.Post("/reset", "user_id", h.userID, "reason", "forgot"); a.page.Name() != "reset-choose" {
		return a, false
	}
	if h.way.kind.Class() == method.Knowledge { // what one knows comes second
		other.way.fresh(c.p, other)
		first := asked{t: c.t, p: c.p, door: d, h: other, b: a.b}
		if first, ok = first.choose(); !ok {
			c.t.Fatalf("the first gate: %s", first.page.Text())
		}
		first.send(other.way.right(c.t, first)).Want(http.StatusOK, "reset-choose")
	}
	return a.choose()
}

// choose picks the method, has sent what it needs, and waits for it.
func (a asked) choose() (asked, bool) {
	a.t.Helper()
	if a.door.name == signInDoor.name && !challenge.Sends(a.h.way.kind) {
		a = a.look()
		shown, _ := a.page.Field("method")
		return a, shown == a.h.id
	}
	a.p.Clock.Advance(time.Second) // what is sent twice in one moment is sent once
	seen := a.h.seen(a.p)
	form := []string{"method", a.h.id, "action", "send"}
	if a.h.way.channel != "" {
		form = append(form, "channel", a.h.way.channel)
	}
	a.page = a.b.Post(a.door.path, form...)
	if a.page.Status != http.StatusOK || !strings.HasSuffix(a.page.Name(), "-verify") {
		return a, false
	}
	if _, asks := a.page.Field("destination"); asks {
		a.page = a.b.Post(a.door.path, append(form, "destination", a.h.number)...).Want(http.StatusOK, "reset-verify")
	}
	if challenge.Sends(a.h.way.kind) && a.h.way.kind != method.AuthenticatorPush {
		a.code = lastCode(a.t, a.p, a.h, seen)
	}
	return a, true
}

// look shows the page as it stands now.
func (a asked) look() asked {
	a.t.Helper()
	path := a.door.path
	if a.door.name == signInDoor.name {
		path += "?method=" + a.h.id
	}
	a.page = a.b.Get(path)
	return a
}

// helpWhereAsked is the article for somebody who does not get past a kind: the
// kind's own, or for a code that has to arrive the one about such codes.
func helpWhereAsked(d door, k method.Kind) string {
	articles := page.HelpArticles()
	if class := k.Class(); class == method.Mailbox || class == method.PhoneLine {
		return page.HelpRoot + "/" + articles[d.page]
	}
	return page.HelpRoot + "/" + articles[string(k)]
}

// send posts an answer as its person would: what is answered on a device there,
// everything else where it was asked.
func (a asked) send(form url.Values) *kuncitest.Page {
	a.t.Helper()
	page, err := a.try(a.b, form)
	if err != nil {
		a.t.Fatal(err)
	}
	return page
}

// try is send from a window; it may be called from any goroutine.
func (a asked) try(window *kuncitest.Browser, form url.Values) (*kuncitest.Page, error) {
	if !form.Has("request") {
		return window.Do(http.MethodPost, a.door.path, form)
	}
	page, err := a.h.phone.Do(http.MethodPost, "/push", form)
	if err != nil || a.door.name == resetDoor.name {
		return page, err
	}
	if _, err := window.Do(http.MethodPost, a.door.path, url.Values{"method": {a.h.id}, "action": {"continue"}}); err != nil {
		return nil, err
	}
	return page, nil
}

// counts tells how often somebody passed a door by a way, and how many wrong answers of it were judged there.
func (c *crowd) counts(d door, h *held) (passed, judged int) {
	c.t.Helper()
	for _, e := range c.p.Events() {
		switch {
		case e.TargetUserID != h.userID || e.MethodKind != string(h.way.kind):
		case e.Kind == d.passed && e.Reason != "stepup":
			passed++
		case e.Kind == d.failed && slices.Contains([]string{"code-wrong", "code-used", "answers-wrong"}, e.Reason):
			judged++
		}
	}
	return passed, judged
}
