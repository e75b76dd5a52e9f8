package kuncitest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
)

// trouble is what happens to a directory at a step.
type trouble struct {
	begin, end func()
	// smooth: whoever takes the step does not notice.
	smooth bool
}

// troubles are those that a place can have; the proxy stands between it and Kunci.
// A server that other tests use as well is killed and paused by its proxy.
func troubles(w place, proxy *ldaptest.Proxy) map[string]trouble {
	all := map[string]trouble{
		"killed": {begin: w.kill, end: w.run},
		"paused": {begin: w.halt, end: w.resume},
		"cut":    {begin: proxy.Cut, end: func() {}, smooth: true},
		"cut in the middle": {begin: func() {
			proxy.Hold()
			go func() {
				<-time.After(300 * time.Millisecond)
				proxy.Heal()
				proxy.Cut()
			}()
		}, end: func() { proxy.Heal(); proxy.Cut() }},
	}
	if w.kill == nil {
		all["killed"] = trouble{begin: proxy.Refuse, end: proxy.Heal}
		all["paused"] = trouble{begin: proxy.Hold, end: func() { proxy.Heal(); proxy.Cut() }}
	}
	return all
}

// step is one request of a reset, and the page it leads to.
type step struct {
	name string
	do   func() *kuncitest.Page
	page string
}

// walk are the requests of a reset up to the last page.
func walk(t *testing.T, p *kuncitest.Product, another string, unlocks bool) []step {
	b := p.Browser()
	b.Get("/reset")
	reason, last, page := "forgot", func() *kuncitest.Page { return newOne(b, another) }, "reset-done"
	proved := "reset-password"
	if unlocks { // whoever came for that is unlocked with the proof
		reason, proved = "locked", "unlock-done"
	}
	all := []step{
		{"start", func() *kuncitest.Page { return b.Post("/reset", "user_id", "alain@contoso.com", "reason", reason) }, "reset-choose"},
		{"look at the methods", func() *kuncitest.Page { return b.Get("/reset/verify") }, "reset-choose"},
		{"have a code sent", func() *kuncitest.Page {
			choose := b.Get("/reset/verify")
			if choose.Name() != "reset-choose" {
				return choose
			}
			return b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send")
		}, "reset-verify"},
		{"look at the code's page", func() *kuncitest.Page { return b.Get("/reset/verify") }, "reset-verify"},
		{"answer", func() *kuncitest.Page { return b.Post("/reset/verify", "code", p.Code(1), "action", "verify") }, proved},
	}
	if !unlocks {
		all = append(all, step{"look at the rules", func() *kuncitest.Page { return b.Get("/reset/password") }, "reset-password"}, step{"the new password", last, page})
	}
	return append(all, step{"look at the end", func() *kuncitest.Page { return b.Get("/reset/done") }, all[len(all)-1].page})
}

// A directory that dies, stops answering or loses its connections at any step of a
// reset or an unlock, of whatever kind it is: the person reads that it does not
// answer or notices nothing, and goes on where they were when it is back. Nothing
// is done twice, nothing by half, and nothing is called done that is not.
func TestADirectoryInTroubleAtEveryStepOfAReset(t *testing.T) {
	for _, kind := range []string{"openldap", "389ds", "active_directory"} {
		for _, name := range []string{"killed", "paused", "cut", "cut in the middle"} {
			for what, unlocks := range map[string]bool{"reset": false, "unlock": true} {
				if unlocks && name != "killed" || (name == "cut" || name == "paused") && kind != "openldap" {
					continue // what a reset does at these, an unlock does too; connections are kept by one pool for all kinds
				}
				t.Run(fmt.Sprint(kind, " ", name, " ", what), func(t *testing.T) {
					t.Parallel()
					inTrouble(t, places[kind](t), name, unlocks)
				})
			}
		}
	}
}

func inTrouble(t *testing.T, w place, name string, unlocks bool) {
	proxy := ldaptest.StartProxy(t, w.url)
	p := kuncitest.Start(t, w.through(proxy.URL))
	trouble := troubles(w, proxy)[name]
	if unlocks {
		for n := range w.threshold {
			password(t, p, "alain@contoso.com", fmt.Sprint("salah ", n))
		}
		if got := password(t, p, "alain@contoso.com", w.password); got != directory.Locked {
			t.Fatalf("it is %s", got)
		}
	}
	noticed := 0
	steps := walk(t, p, w.another, unlocks)
	for i, s := range steps {
		completed := count(p, audit.ResetCompleted) + count(p, audit.AccountUnlocked)
		trouble.begin()
		page := s.do()
		unavailable := page.Name() == "reset-problem" && page.Problem() == "directory-unavailable"
		switch {
		case page.Name() == s.page:
		case !unavailable || trouble.smooth:
			t.Fatalf("%s: %d %s %s %q", s.name, page.Status, page.Name(), page.Problem(), page.Alert())
		default:
			noticed++
			if n := count(p, audit.ResetCompleted) + count(p, audit.AccountUnlocked); n != completed {
				t.Errorf("%s: said to be unavailable, and %d more are completed", s.name, n-completed)
			}
		}
		trouble.end()
		if page.Name() != s.page {
			again(t, func() bool {
				// What was done although nobody said so is where the flow stands.
				page := s.do()
				return page.Name() == s.page || i == len(steps)-2 && page.Name() == steps[len(steps)-1].page
			})
		}
	}
	if !trouble.smooth && noticed == 0 {
		t.Error("the directory was never asked: it shows nothing")
	}
	want := map[audit.Kind]int{audit.ResetGatePassed: 1, audit.ResetCompleted: 1, audit.AccountUnlocked: 0}
	pw := w.another
	if unlocks {
		want, pw = map[audit.Kind]int{audit.ResetGatePassed: 1, audit.ResetCompleted: 0, audit.AccountUnlocked: 1}, w.password
	}
	for kind, n := range want {
		if got := count(p, kind); got != n {
			t.Errorf("%s %d times, want %d", kind, got, n)
		}
	}
	again(t, func() bool {
		return signIn(t, p.Browser(), "alain@contoso.com", pw).Status < http.StatusInternalServerError
	})
	if got := password(t, p, "alain@contoso.com", pw); got != directory.OK {
		t.Errorf("the password at the end: %s", got)
	}
}
