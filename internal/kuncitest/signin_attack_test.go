package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

// Fifty wrong passwords at once: ten are judged, the lock is recorded once, and
// then the right one does not open.
func TestFiftyWrongPasswordsAtOnce(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		for _, userID := range []string{"alain@contoso.com", "nobody@contoso.com"} {
			wrong, locked := failures(p, "signin-wrong"), count(p, audit.SignInLocked)
			b := p.Browser()
			toPassword(t, b, userID)
			var group sync.WaitGroup
			for n := range 50 {
				window := b.Clone()
				group.Go(func() {
					if _, err := window.Do(http.MethodPost, "/signin/password", url.Values{"password": {fmt.Sprintf("wrong %d", n)}}); err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if judged := failures(p, "signin-wrong") - wrong; judged != 10 {
				t.Errorf("%s: %d were judged, want ten", userID, judged)
			}
			if n := count(p, audit.SignInLocked) - locked; n != 1 {
				t.Errorf("%s: %d locks recorded", userID, n)
			}
			if page := b.Post("/signin/password", "password", kuncitest.OldPassword); page.Alert() != "signin-locked" || page.Status != http.StatusTooManyRequests {
				t.Errorf("%s: the right one afterwards: %d %q", userID, page.Status, page.Alert())
			}
		}
	})
}

func failures(p *kuncitest.Product, reason string) (n int) {
	for _, e := range p.Events() {
		if e.Kind == audit.SignInFailed && e.Reason == reason {
			n++
		}
	}
	return n
}

func TestFiftyWrongFactorsAtOnce(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		_, shows := app(t, p, "alain@contoso.com")
		b := p.Browser()
		signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		right := shows()
		var group sync.WaitGroup
		for n := range 50 {
			window := b.Clone()
			group.Go(func() {
				code := fmt.Sprintf("%06d", n)
				if _, err := window.Do(http.MethodPost, "/signin/verify", url.Values{"code": {code}}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if judged := failures(p, "code-wrong"); judged != 5 {
			t.Errorf("%d were judged, want five", judged)
		}
		if page := b.Post("/signin/verify", "code", right); page.Alert() != "blocked" || page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || isIn(b) {
			t.Errorf("the right one afterwards: %d %q at %s", page.Status, page.Alert(), page.Path)
		}
	})
}

// The right factor sent many times at once lets one in, and harms nobody.
func TestTheRightFactorSentManyTimes(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		_, shows := app(t, p, "alain@contoso.com")
		b := p.Browser()
		signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		code := shows()
		var mu sync.Mutex
		var group sync.WaitGroup
		in := 0
		for range 10 {
			window := b.Clone()
			group.Go(func() {
				page, err := window.Do(http.MethodPost, "/signin/verify", url.Values{"code": {code}})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if page.Path == "/security-info" {
					in++
				}
			})
		}
		group.Wait()
		if in != 1 || count(p, audit.SignInSucceeded) != 1 {
			t.Errorf("%d windows are in, %d sign-ins recorded", in, count(p, audit.SignInSucceeded))
		}
	})
}

// A token that somebody planted does not become a session.
func TestAPlantedTokenIsReplaced(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		attacker := p.Browser()
		signIn(t, attacker, "citra@contoso.com", kuncitest.OldPassword)
		for _, planted := range []string{"made-up-made-up-made-up", sessionOf(attacker)} {
			victim := with(p, planted)
			signIn(t, victim, "alain@contoso.com", kuncitest.OldPassword)
			if sessionOf(victim) == planted || isIn(with(p, planted)) {
				t.Error("the planted token is signed in")
			}
		}
	})
}

// Looking changes nothing: no session, no count, no mail.
func TestLookingAtSignInChangesNothing(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		_, shows := app(t, p, "citra@contoso.com")
		b := p.Browser()
		signIn(t, b, "citra@contoso.com", kuncitest.OldPassword)
		page := b.Get("/signin/verify")
		before := len(p.Events())
		for range 3 {
			for _, path := range []string{"/", "/signin", "/signin/password", "/signin/verify", "/signin/verify?other", "/accounts", "/signout", "/interrupt", "/password", "/password?changed"} {
				for _, verb := range []string{http.MethodGet, http.MethodHead} {
					if _, err := b.Do(verb, path, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if after := len(p.Events()); after != before || len(p.Mail.Mails()) != 0 {
			t.Errorf("%d events more, %d mails", after-before, len(p.Mail.Mails()))
		}
		id, _ := page.Field("method")
		wantAt(t, b.Post("/signin/verify", "method", id, "code", shows()), "/security-info")
	})
}
