package kuncitest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// signInByPass types user ID and pass and gives the page it leads to.
func signInByPass(t *testing.T, b *kuncitest.Browser, userID, pass string) *kuncitest.Page {
	t.Helper()
	page := toPassword(t, b, userID)
	if !strings.Contains(page.Body, `href="/signin/pass"`) {
		t.Errorf("the page of the password leads to no pass:\n%s", page.Text())
	}
	b.Get("/signin/pass").Want(http.StatusOK, "signin-pass")
	return b.Post("/signin/pass", "pass", pass)
}

// A new colleague has nothing but a pass: it lets in, asks for registering and
// for nothing else, and what it opened closes with it.
func TestAPassInsteadOfThePassword(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		pass := issue(t, p, "hana@contoso.com", time.Time{})
		b := p.Browser()
		for typed, want := range map[string]string{"": "required", "0000-0000-0000": "pass-wrong", "terlalu": "pass-wrong"} {
			page := signInByPass(t, b, "hana@contoso.com", typed).Want(http.StatusUnprocessableEntity, "signin-pass")
			if page.Alert() != want || strings.Contains(page.Body, "terlalu") {
				t.Errorf("%q: alert %q", typed, page.Alert())
			}
		}
		asked := wantAt(t, signInByPass(t, b, "hana@contoso.com", strings.ToUpper(pass.Code)), "/interrupt")
		if strings.Contains(asked.Body, `value="skip"`) {
			t.Error("registering can be put off with a pass")
		}
		if page := b.Post("/interrupt", "action", "skip"); page.Path != "/interrupt" || page.Alert() != "register-now" {
			t.Errorf("putting it off: at %s, alert %q", page.Path, page.Alert())
		}
		wantAt(t, b.Post("/interrupt", "action", "register"), "/security-info/add")
		b.Get("/security-info/add?kind=email").Want(http.StatusOK, "security-info-add")
		if page := b.Get("/password").Want(http.StatusOK, "password"); !strings.Contains(page.Body, `href="/reset"`) || strings.Contains(page.Body, "current_password") {
			t.Errorf("somebody without a password is asked for it:\n%s", page.Text())
		}
		if page := signInByPass(t, p.Browser(), "hana@contoso.com", pass.Code); page.Alert() != "pass-wrong" {
			t.Errorf("the pass worked twice: at %s, alert %q", page.Path, page.Alert())
		}
		p.Clock.Advance(11 * time.Minute)
		stale := b.Post("/security-info/add", "kind", "email", "email", "hana@example.org")
		wantAt(t, stale, "/signin/verify")
		if strings.Contains(stale.Body, `name="password"`) || !strings.Contains(stale.Text(), "Kode Akses Sementara yang baru") {
			t.Errorf("the page does not say what to do:\n%s", stale.Text())
		}
		p.Clock.Advance(48 * time.Minute)
		if !isIn(b) {
			t.Error("signed out while the pass counts")
		}
		p.Clock.Advance(2 * time.Minute)
		if isIn(b) {
			t.Error("signed in after the pass is over")
		}
		if got := count(p, audit.TapUsed); got != 1 {
			t.Errorf("%d times used", got)
		}
		found := false
		for _, e := range p.Events() {
			found = found || e.Kind == audit.SignInSucceeded && e.Detail["factor"] == "temporary_access_pass" && e.MethodID == pass.ID
		}
		if !found {
			t.Error("the sign-in is not recorded with its pass")
		}
		noSecret(t, p, pass.Code, strings.ReplaceAll(pass.Code, "-", ""))
	})
}

// Whoever must change a password that they never got is not asked for it; the
// lock of wrong passwords is of passwords.
func TestAPassIsNotHeldUpByThePassword(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		pass := issue(t, p, "mega@contoso.com", time.Time{})
		b := p.Browser()
		for n := range 11 {
			signIn(t, b, "mega@contoso.com", fmt.Sprintf("wrong %d", n))
		}
		wantAt(t, signInByPass(t, b, "mega@contoso.com", pass.Code), "/interrupt")
		wantAt(t, signIn(t, p.Browser(), "mega@contoso.com", kuncitest.OldPassword), "/signin/password")
		p.Clock.Advance(2 * time.Minute)
		wantAt(t, signIn(t, p.Browser(), "mega@contoso.com", kuncitest.OldPassword), "/password")
	})
}

// Nobody learns who has a pass, or who exists: not from the answers, not from the
// locks, and not from the work behind them.
func TestSignInDoesNotTellWhoHasAPass(t *testing.T) {
	seen := map[store.Kind]*statements{store.SQLite: {}, store.PostgreSQL: {}}
	for kind, s := range seen {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			options := officeOptions()
			options.Kind, options.Trace = kind, s.trace
			p := kuncitest.Start(t, options)
			used := issue(t, p, "mega@contoso.com", time.Time{})
			wantAt(t, signInByPass(t, p.Browser(), "mega@contoso.com", used.Code), "/interrupt")
			pass := issue(t, p, "hana@contoso.com", time.Time{})
			early := issue(t, p, "citra@contoso.com", p.Clock.Now().Add(time.Hour))
			who := []struct{ userID, typed string }{
				{"hana@contoso.com", "0000-0000-0000"}, {"alain@contoso.com", "0000-0000-0000"}, {"citra@contoso.com", early.Code},
				{"mega@contoso.com", used.Code}, {"alaim@contoso.com", "0000-0000-0000"}, {"alain@fabrikam.com", "0000-0000-0000"},
			}
			for n := range 7 {
				var want string
				var ran []string
				for i, c := range who {
					b := p.Browser().StayingPut()
					b.Get("/signin")
					b.Post("/signin", "user_id", c.userID)
					s.take()
					page := b.Post("/signin/pass", "pass", c.typed)
					all := s.take()
					got := fmt.Sprintf("%d %s %s\n%s", page.Status, page.Alert(), page.Header.Get("Retry-After"), supportCode(strings.ReplaceAll(page.Body, c.userID, "USER")))
					if i == 0 {
						want, ran = got, all
					}
					if got != want {
						t.Errorf("try %d of %s:\n%s\n--- and of %s:\n%s", n, c.userID, got, who[0].userID, want)
					}
					// Of a spent pass, whoever types it rightly may learn as much: it was theirs.
					if n > 0 && strings.HasSuffix(c.userID, "@contoso.com") && c.typed == who[0].typed && !slices.Equal(work(all), work(ran)) {
						t.Errorf("try %d of %s runs\n%s\n-- of %s\n%s", n, c.userID, strings.Join(work(all), "\n"), who[0].userID, strings.Join(work(ran), "\n"))
					}
				}
				code := "422 pass-wrong "
				if n >= 5 {
					code = "429 blocked "
				}
				if !strings.HasPrefix(want, code) {
					t.Fatalf("try %d: %.60s", n, want)
				}
			}
			if page := signInByPass(t, p.Browser(), "hana@contoso.com", pass.Code); page.Alert() != "blocked" {
				t.Errorf("a blocked pass: at %s, alert %q", page.Path, page.Alert())
			}
			again := issue(t, p, "hana@contoso.com", time.Time{})
			wantAt(t, signInByPass(t, p.Browser(), "hana@contoso.com", again.Code), "/interrupt")
			noSecret(t, p, "alaim@contoso.com", "alain@fabrikam.com")
		})
	}
}

// work is what was run, but for the key under which an event names a person:
// whoever types names is not recorded by them.
func work(all []string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(s string) bool { return strings.Contains(s, "audit_person") })
}

// A pass that was taken back, or given anew, closes what it opened at once.
func TestAPassThatIsTakenBackEndsItsSessions(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		_, shows := app(t, p, "alain@contoso.com")
		own := p.Browser()
		wantAt(t, signIn(t, own, "alain@contoso.com", kuncitest.OldPassword), "/signin/verify")
		own.Post("/signin/verify", "code", shows())
		in := func() *kuncitest.Browser {
			b := p.Browser()
			wantAt(t, signInByPass(t, b, "alain@contoso.com", issue(t, p, "alain@contoso.com", time.Time{}).Code), "/interrupt")
			return b
		}
		first := in()
		second := in()
		if isIn(first) {
			t.Error("a new pass left the session of the one before")
		}
		// A thief who proved something else since is out as well.
		p.Clock.Advance(31 * time.Second)
		wantAt(t, second.Post("/signin/verify", "code", shows()), "/security-info")
		if err := p.App.RevokePass(t.Context(), find(t, p, "alain@contoso.com")); err != nil {
			t.Fatal(err)
		}
		if isIn(second) {
			t.Error("a pass that was taken back left its session")
		}
		if !isIn(own) {
			t.Error("the person's own session ended too")
		}
	})
}

func TestTheSamePassAtOnceSignsInOnce(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		pass := issue(t, p, "hana@contoso.com", time.Time{})
		var wg sync.WaitGroup
		var mu sync.Mutex
		in := 0
		for range 10 {
			b := p.Browser()
			toPassword(t, b, "hana@contoso.com")
			wg.Go(func() {
				page, err := b.Do("POST", "/signin/pass", map[string][]string{"pass": {pass.Code}})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				} else if page.Path == "/interrupt" {
					in++
				}
			})
		}
		wg.Wait()
		if in != 1 {
			t.Errorf("%d browsers came in", in)
		}
	})
}
