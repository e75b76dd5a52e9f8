package kuncitest_test

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// Every way to prove who one is, at every door it opens: an answer counts once,
// of many at once one wins, five guesses are judged, and nothing weaker gets
// through. Counting is tried on PostgreSQL too, by one way: what counts is the same
// for all, and package challenge tries each on both databases.
func TestEveryWayWithstands(t *testing.T) {
	t.Parallel()
	for _, w := range everyWay() {
		for _, kind := range storetest.Kinds {
			if kind == store.PostgreSQL && w.kind != method.Email {
				continue
			}
			t.Run(w.name+"/"+string(kind), func(t *testing.T) {
				t.Parallel()
				c := startCrowd(t, kind)
				if w.kind.Class() == method.Knowledge { // is asked as a second gate alone
					c.policy(2)
				}
				for _, d := range []door{resetDoor, signInDoor} {
					if !d.opens(w.kind) {
						c.stays(d, w)
						continue
					}
					c.race(d, w)
					c.guess(d, w)
					if kind == store.SQLite {
						c.replay(d, w)
					}
				}
				if kind == store.SQLite {
					c.downgradeReset(w)
					c.downgradeGates(w)
					if signInDoor.opens(w.kind) {
						c.downgradeSignIn(w)
					}
				}
			})
		}
	}
}

// must is open where the walk has to get there.
func (c *crowd) must(d door, h, other *held) asked {
	c.t.Helper()
	a, ok := c.open(d, h, other)
	if !ok {
		c.t.Fatalf("%s, %s: not asked for; at %s, alert %q\n%s", h.way.name, d.name, a.page.Name(), a.page.Alert(), a.page.Text())
	}
	if want := helpWhereAsked(d, h.way.kind); !a.page.Has(want) {
		c.t.Errorf("%s, %s: the page leads to %q, want %s", h.way.name, d.name, a.page.Links("/help"), want)
	}
	return a
}

// want holds how often a door was passed.
func (c *crowd) want(d door, h *held, passed int, after string) {
	c.t.Helper()
	if got, _ := c.counts(d, h); got != passed {
		c.t.Errorf("%s, %s, after %s: passed %d times, want %d", h.way.name, d.name, after, got, passed)
	}
}

// stays: a door that a kind does not open is not opened by it.
func (c *crowd) stays(d door, w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	a, sent := c.must(d, other, nil), h.seen(c.p)
	for _, form := range []url.Values{{"action": {"send"}}, {"action": {"verify"}, "code": {"00000000"}}, {"code": {h.answer("q03")}}} {
		form.Set("method", h.id)
		if page := a.send(form); page.Alert() != "method-not-allowed" || isIn(a.b) {
			c.t.Errorf("%s at %s: %q", w.name, d.name, page.Alert())
		}
	}
	if n := h.seen(c.p) - sent; n != 0 {
		c.t.Errorf("%s at %s: %d messages were sent", w.name, d.name, n)
	}
}

// replay: an answer that was accepted once is nothing the second time, in the
// same window, in another flow or session, and at the other door.
func (c *crowd) replay(d door, w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	a := c.must(d, h, other)
	window, form := a.b.Clone(), w.right(c.t, a)
	a.send(form)
	c.want(d, h, 1, "the right answer")
	for _, b := range []*kuncitest.Browser{window, a.b} {
		if _, err := a.try(b, form); err != nil {
			c.t.Fatal(err)
		}
	}
	c.want(d, h, 1, "the same in the same flow")
	if w.kind == method.AuthenticatorPush {
		w.fresh(c.p, h) // there is a pause between two requests
	}
	second, _ := c.open(d, h, other)
	if w.again == "" {
		second.send(w.right(c.t, second))
		c.want(d, h, 2, "what is known, said again")
		return
	}
	alert := second.page.Alert()
	if page := second.send(form); page.Alert() != "" {
		alert = page.Alert()
	}
	c.want(d, h, 1, "the same in another flow")
	want := w.again
	if d.name == signInDoor.name {
		want = cmp.Or(w.againIn, want)
	}
	if alert != want {
		c.t.Errorf("%s, %s: another flow says %q, want %q", w.name, d.name, alert, want)
	}
	elsewhere := d.other()
	if !elsewhere.opens(w.kind) {
		return
	}
	third, ok := c.open(elsewhere, h, other)
	third.send(form)
	c.want(elsewhere, h, 0, "the answer of the other door")
	if w.fresh != nil && !w.fresh(c.p, h) {
		if ok && elsewhere.name == resetDoor.name {
			c.t.Errorf("%s: is asked for when it is used up", w.name)
		}
		return
	}
	if w.kind == method.AuthenticatorPush {
		third, _ = third.choose() // the pause took the request along
	} else {
		third = third.look()
	}
	third.send(w.right(c.t, third))
	c.want(elsewhere, h, 1, "an answer of its own")
}

// shot is one answer of a volley.
type shot struct {
	at   asked
	form url.Values
}

// volley sends answers all at once, each from a window of its own.
func (c *crowd) volley(shots []shot) {
	c.t.Helper()
	start := make(chan struct{})
	var group sync.WaitGroup
	for _, s := range shots {
		window := s.at.b.Clone()
		group.Go(func() {
			<-start
			if _, err := s.at.try(window, s.form); err != nil {
				c.t.Log(err) // a busy machine; what was judged is counted where it was judged
			}
		})
	}
	close(start)
	group.Wait()
}

// flows opens two flows or sessions, one where an answer is of one alone.
func (c *crowd) flows(d door, h, other *held) []asked {
	c.t.Helper()
	all := []asked{c.must(d, h, other)}
	if !h.way.alone && h.way.kind.Class() != method.Knowledge { // whose first gate ends other flows
		all = append(all, c.must(d, h, other))
	}
	return all
}

// race: of many right answers at once, through two flows, one wins.
func (c *crowd) race(d door, w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	var shots []shot
	for _, a := range c.flows(d, h, other) {
		form := w.right(c.t, a)
		for range 4 {
			shots = append(shots, shot{a, form})
		}
	}
	c.volley(shots)
	c.want(d, h, 1, "many right answers at once")
}

// guess: of many wrong answers at once, through two flows, five are judged. Right
// ones among them win at most once, and not at all when five were wrong.
func (c *crowd) guess(d door, w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	flows := c.flows(d, h, other)
	late := make([]shot, 0, 2)
	for range cap(late) {
		late = append(late, shot{flows[0], w.right(c.t, flows[0].look())})
	}
	judged := 0
	for round := 0; round < 3 && judged < 5; round++ {
		if round > 0 { // a request on a device ends by three wrong numbers
			pause(c.p, h)
			next, ok := flows[0].choose()
			if !ok {
				c.t.Fatalf("%s, %s: no other request: %q", w.name, d.name, next.page.Alert())
			}
			flows[0] = next
		}
		var shots []shot
		for n := range 8 {
			a := flows[n%len(flows)]
			shots = append(shots, shot{a, w.wrong(c.t, a, n)})
		}
		c.volley(shots)
		_, judged = c.counts(d, h)
		if w.kind != method.AuthenticatorPush {
			break
		}
	}
	if judged != 5 {
		c.t.Errorf("%s, %s: %d guesses were judged, want five", w.name, d.name, judged)
	}
	c.volley(late)
	c.want(d, h, 0, "five wrong answers and then right ones")
	if a, ok := c.open(d, h, other); ok {
		if d.name == resetDoor.name {
			c.t.Errorf("%s: another flow asks for it", w.name)
		}
		if page := a.send(w.right(c.t, a)); page.Alert() != "blocked" {
			c.t.Errorf("%s: another session says %q", w.name, page.Alert())
		}
	}
	c.want(d, h, 0, "a right answer in another flow")
	if _, judged := c.counts(d, h); judged != 5 {
		c.t.Errorf("%s, %s: %d were judged after all", w.name, d.name, judged)
	}
	c.afterGuesses(d, h, other)
}

// afterGuesses: resets are locked by wrong answers anywhere, signing in only by its own.
func (c *crowd) afterGuesses(d door, h, other *held) {
	c.t.Helper()
	elsewhere := d.other()
	if !elsewhere.opens(h.way.kind) {
		return
	}
	a, ok := c.open(elsewhere, h, other)
	if elsewhere.name == signInDoor.name {
		a.send(h.way.right(c.t, a))
		c.want(elsewhere, h, 1, "a lock of resets")
		return
	}
	if ok {
		a.send(h.way.right(c.t, a))
	}
	c.want(elsewhere, h, 0, "five wrong answers at sign-in")
}

// never holds that nothing which was tried opened a reset.
func (c *crowd) never(h *held, b *kuncitest.Browser, what string) {
	c.t.Helper()
	if page := b.Get("/reset/password"); page.Name() == "reset-password" {
		c.t.Fatalf("%s: %s leads to the new password", h.way.name, what)
	}
	c.want(resetDoor, h, 0, what)
}

// under is a form for another method.
func under(form url.Values, id string) url.Values {
	changed := maps.Clone(form)
	changed.Set("method", id)
	return changed
}

// empty are forms that answer nothing.
func empty(h *held) []url.Values {
	return []url.Values{
		{"action": {"verify"}}, {"action": {"verify"}, "method": {h.id}}, {"action": {"verify"}, "method": {h.id}, "code": {""}},
		{"code": {""}}, {"action": {"verify"}, "answer_1": {""}, "answer_2": {""}, "answer_3": {""}}, {"action": {"verify"}, "code": {" "}},
		{"action": {"continue"}},
	}
}

// downgradeReset: at one gate, nothing but the chosen method's own answer counts.
func (c *crowd) downgradeReset(w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	stranger, strangers := c.somebody(w)
	typed := w.kind != method.AuthenticatorPush

	mine := c.must(resetDoor, h, other)
	right := w.right(c.t, mine)
	for _, form := range empty(h) {
		mine.send(form)
	}
	c.never(h, mine.b, "an empty answer")
	if _, judged := c.counts(resetDoor, h); judged != 0 {
		c.t.Errorf("%s: an empty answer is judged", w.name)
	}

	theirs := c.must(resetDoor, stranger, strangers)
	foreign := w.right(c.t, theirs)
	if typed {
		mine.send(under(foreign, h.id))
		mine.send(foreign)
	} else { // somebody else's device types my number
		theirs.send(right)
	}
	c.never(h, mine.b, "somebody else's answer")
	c.never(stranger, theirs.b, "an answer in somebody else's flow")

	// Another flow of the same person, which chose something else.
	if w.kind.Class() != method.Knowledge {
		beside := c.must(resetDoor, other, nil)
		if typed {
			beside.send(right)
			beside.send(under(right, other.id))
		}
		c.never(h, beside.b, "an answer under another method")
		mine = mine.look()
		mine.send(under(other.way.right(c.t, beside), h.id))
		mine.send(other.way.right(c.t, beside))
		c.never(h, mine.b, "another method's answer")
		c.want(resetDoor, other, 0, "another method's answer")
	}

	// "Try another way" carries nothing along (CVE-2026-18963).
	mine.send(url.Values{"action": {"back"}}).Want(http.StatusOK, "reset-choose")
	for _, form := range empty(h) {
		mine.send(form)
	}
	if typed {
		mine.send(right)
	}
	c.never(h, mine.b, "leaving a method")
	if w.kind.Class() == method.PhoneLine { // chosen in another flow, and nothing sent yet
		b := c.p.Browser()
		early := choose(c.t, b, h.userID, "forgot", h.id).Want(http.StatusOK, "reset-verify")
		if _, asks := early.Field("destination"); !asks {
			c.t.Errorf("%s: the number is not asked for", w.name)
		}
		b.Post("/reset/verify", "method", h.id, "action", "verify", "code", "00000000")
		c.never(h, b, "an answer before anything was sent")
	}
	if !typed {
		w.fresh(c.p, h)
	}
	mine, ok := mine.choose()
	if !ok {
		c.t.Fatalf("%s: not offered again: %q", w.name, mine.page.Alert())
	}
	mine.send(w.right(c.t, mine))
	c.want(resetDoor, h, 1, "all that, the right answer")
}

// downgradeGates: a policy that changes holds at once, and with two gates each
// is passed by itself, by something of another class.
func (c *crowd) downgradeGates(w *way) {
	c.t.Helper()
	defer c.policy(1)
	known := w.kind.Class() == method.Knowledge
	gates := 1
	if known {
		gates = 2
		c.policy(2)
	}
	h, other := c.somebody(w)
	if w.kind != method.TemporaryAccessPass { // which no policy leaves out
		a := c.must(resetDoor, h, other)
		form := w.right(c.t, a)
		c.policy(gates, w.kind)
		a.send(form)
		c.never(h, a.b, "a kind that the policy does not allow any more")
		a.b.Post("/reset/verify", "method", h.id, "action", "send")
		a.send(form)
		c.never(h, a.b, "a kind that the policy does not allow")
	}
	c.policy(2)
	if known {
		a := asked{t: c.t, p: c.p, door: resetDoor, h: h, b: c.p.Browser()}
		a.b.Get("/reset")
		a.b.Post("/reset", "user_id", h.userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
		if _, ok := a.choose(); ok {
			c.t.Errorf("%s: is asked at the first gate", w.name)
		}
		return
	}
	c.firstGateAtTheSecond(h, other)
	c.sameClassTwice(w)
}

// firstGateAtTheSecond: what was asked for the first gate does not pass the second.
func (c *crowd) firstGateAtTheSecond(h, other *held) {
	c.t.Helper()
	if h.way.kind == method.AuthenticatorPush {
		pause(c.p, h)
	}
	a := c.must(resetDoor, h, other)
	old := h.way.right(c.t, a)
	a.send(url.Values{"action": {"back"}}).Want(http.StatusOK, "reset-choose")
	first := a
	first.h = other
	first, ok := first.choose()
	if !ok {
		c.t.Fatalf("%s: nothing for the other gate", h.way.name)
	}
	first.send(other.way.right(c.t, first)).Want(http.StatusOK, "reset-choose")
	if h.way.kind == method.AuthenticatorPush {
		pause(c.p, h)
	}
	if a, ok = a.choose(); !ok {
		c.t.Fatalf("%s: not asked for at the second gate: %q", h.way.name, a.page.Alert())
	}
	if h.way.bound {
		a.send(old)
		c.never(h, a.b, "the answer of the first gate")
		a = a.look()
	}
	a.send(h.way.right(c.t, a))
	c.want(resetDoor, h, 1, "its own answer at the second gate")
	a.b.Get("/reset/password").Want(http.StatusOK, "reset-password")
}

// sameClassTwice: one thing passes one gate.
func (c *crowd) sameClassTwice(w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	a := c.must(resetDoor, h, other)
	form := w.right(c.t, a)
	a.send(form)
	c.want(resetDoor, h, 1, "the first gate")
	a.send(form)
	if w.fresh != nil {
		w.fresh(c.p, h)
	}
	again, ok := a.choose()
	if ok {
		c.t.Errorf("%s: is asked for at both gates", w.name)
	}
	if len(h.codes) > 0 || h.seed != nil || h.token.ID != "" { // an answer that is right by itself
		again.send(w.right(c.t, again))
	}
	for _, nothing := range empty(h) {
		again.send(nothing)
	}
	if page := a.b.Get("/reset/password"); page.Name() != "reset-choose" {
		c.t.Errorf("%s: one kind passes both gates: %s", w.name, page.Name())
	}
	c.want(resetDoor, h, 1, "the same for the second gate")
}

// downgradeSignIn: the second factor that is asked for, and its own answer.
func (c *crowd) downgradeSignIn(w *way) {
	c.t.Helper()
	h, other := c.somebody(w)
	stranger, strangers := c.somebody(w)
	typed := w.kind != method.AuthenticatorPush
	extra := &held{way: &way{name: "paper", kind: method.RecoveryCode, give: givePaper, right: onPaper}, userID: h.userID}
	if w.kind == method.RecoveryCode {
		extra.way = &way{name: "app", kind: method.AuthenticatorCode, give: giveApp, right: shownByApp}
	}
	extra.way.give(c.t, c.p, extra)
	out := func(b *kuncitest.Browser, what string) {
		c.t.Helper()
		if isIn(b) {
			c.t.Fatalf("%s: %s signs in", w.name, what)
		}
		c.want(signInDoor, h, 0, what)
	}

	b := c.passworded(h.userID)
	before := asked{t: c.t, p: c.p, door: signInDoor, h: h, b: b}
	for _, form := range append(empty(h), url.Values{"method": {h.id}, "action": {"continue"}}, url.Values{"method": {other.id}, "action": {"send"}}) {
		if other.way.kind.ProvesSignIn() && form.Get("method") == other.id {
			continue
		}
		before.send(form)
	}
	if challenge.Sends(w.kind) {
		before.send(url.Values{"method": {h.id}, "code": {"00000000"}})
	}
	out(b, "nothing, or an answer before anything was sent")
	if _, judged := c.counts(signInDoor, h); judged != 0 {
		c.t.Errorf("%s: nothing is judged at sign-in", w.name)
	}

	// What was asked for a reset is worth nothing here.
	if w.bound {
		reset := c.must(resetDoor, h, other)
		form := w.right(c.t, reset)
		if typed {
			before.send(form)
		} else {
			reset.send(form)
			before.send(url.Values{"method": {h.id}, "action": {"continue"}})
		}
		out(b, "the answer of a reset")
		pause(c.p, h)
	}
	mine, ok := before.choose()
	theirs := c.must(signInDoor, stranger, strangers)
	if !ok {
		c.t.Fatalf("%s: not asked for at sign-in: %q", w.name, mine.page.Alert())
	}
	if typed {
		mine.send(under(w.right(c.t, theirs), h.id))
		mine.send(w.right(c.t, theirs))
		mine.send(under(w.right(c.t, mine), extra.id))
		mine.send(under(extra.way.right(c.t, asked{t: c.t, p: c.p, h: extra}), h.id))
	} else {
		theirs.send(w.right(c.t, mine))
	}
	out(b, "somebody else's answer, or one under another method")
	if passed, _ := c.counts(signInDoor, stranger); passed != 0 || isIn(theirs.b) {
		c.t.Errorf("%s: an answer in somebody else's session signs in", w.name)
	}
	if w.kind == method.Passkey {
		c.p.Clock.Advance(time.Second)
	}
	mine = mine.look()
	mine.send(w.right(c.t, mine))
	c.want(signInDoor, h, 1, "all that, the right answer")
	if !isIn(b) {
		c.t.Errorf("%s: the right answer does not sign in", w.name)
	}
}
