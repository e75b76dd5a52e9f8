package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	product "kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/kuncitest"
)

// issue gives somebody a pass, as the command line does.
func issue(t *testing.T, p *kuncitest.Product, userID string, starts time.Time) helpdesk.Pass {
	t.Helper()
	person := find(t, p, userID)
	pass, err := p.App.IssuePass(t.Context(), person, starts, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	return pass
}

func find(t *testing.T, p *kuncitest.Product, userID string) product.Person {
	t.Helper()
	person, err := p.App.Person(t.Context(), "contoso", userID)
	if err != nil {
		t.Fatal(err)
	}
	return person
}

// choose starts a reset and picks a kind.
func choose(t *testing.T, b *kuncitest.Browser, userID, reason, methodID string) *kuncitest.Page {
	t.Helper()
	b.Get("/reset")
	b.Post("/reset", "user_id", userID, "reason", reason).Want(http.StatusOK, "reset-choose")
	return b.Post("/reset/verify", "method", methodID, "action", "send")
}

// Somebody who never had a password and has nothing registered comes in with a pass.
func TestAFirstPasswordWithAPass(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		pass := issue(t, p, "citra@contoso.com", time.Time{})
		b := p.Browser()
		page := choose(t, b, "citra@contoso.com", "never_received", pass.ID).Want(http.StatusOK, "reset-verify")
		if !strings.Contains(page.Text(), "Kode Akses Sementara") {
			t.Errorf("the page does not say what to type:\n%s", page.Text())
		}
		wrong := b.Post("/reset/verify", "code", "0000-0000-0000", "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		if wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		b.Post("/reset/verify", "code", strings.ToUpper(pass.Code), "action", "verify").Want(http.StatusOK, "reset-password")
		p.Clock.Advance(14 * time.Minute)
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "citra@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the first password: %s", got)
		}
		again := p.Browser()
		again.Get("/reset")
		if page := again.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("a pass that was used: %s %s", page.Name(), page.Problem())
		}
		for _, kind := range []audit.Kind{audit.TapIssued, audit.TapUsed} {
			if !p.Has(kind) {
				t.Errorf("no event %s", kind)
			}
		}
		noSecret(t, p, pass.Code, strings.ReplaceAll(pass.Code, "-", ""))
	})
}

// Before it begins and after it ended an account with nothing but a pass is like
// one with nothing; with another method the pass is not even mentioned.
func TestAPassOutsideItsTime(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		alone := issue(t, p, "citra@contoso.com", p.Clock.Now().Add(time.Hour))
		issue(t, p, "alain@contoso.com", p.Clock.Now().Add(time.Hour))
		b := p.Browser()
		ends := func(when string) {
			t.Helper()
			b.Get("/reset")
			if page := b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
				t.Errorf("%s: %s %s", when, page.Name(), page.Problem())
			}
			other := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
			if strings.Contains(other.Text(), "Kode Akses Sementara") {
				t.Errorf("%s: strangers learn of the pass", when)
			}
		}
		ends("before it begins")
		p.Clock.Advance(time.Hour)
		choose(t, b, "citra@contoso.com", "forgot", alone.ID).Want(http.StatusOK, "reset-verify")
		p.Clock.Advance(10 * time.Minute)
		page := b.Post("/reset/verify", "code", alone.Code, "action", "verify")
		page.Want(http.StatusOK, "reset-password")
		p.Clock.Advance(51 * time.Minute)
		ends("after it ended")
		if text := p.Mail.Wait(t, 1)[0].Parse(t).Text; strings.Contains(text, alone.Code) || !strings.Contains(text, "Kode Akses Sementara") {
			t.Errorf("the notice:\n%s", text)
		}
	})
}

// An administrator needs two gates, whatever the first is.
func TestAPassAloneDoesNotResetAnAdministrator(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		pass := issue(t, p, "adele@contoso.com", time.Time{})
		p.Mail.Wait(t, 1) // the notice; the code comes after it
		b := p.Browser()
		choose(t, b, "adele@contoso.com", "forgot", pass.ID).Want(http.StatusOK, "reset-verify")
		next := b.Post("/reset/verify", "code", pass.Code, "action", "verify").Want(http.StatusOK, "reset-choose")
		if page := b.Get("/reset/password"); page.Name() != "reset-choose" {
			t.Errorf("the second gate was gone around: %s", page.Name())
		}
		b.Post("/reset/verify", "method", next.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", p.Code(2), "action", "verify").Want(http.StatusOK, "reset-password")
	})
}

// A pass stands in for a phone that is lost: at sign-in beside the password, for
// as long as the pass counts, and it leads to registering something of one's own.
func TestAPassStandsInForALostFactor(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		app(t, p, "alain@contoso.com")
		pass := issue(t, p, "alain@contoso.com", time.Time{})
		b := p.Browser()
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/signin/verify")
		asked := b.Get("/signin/verify?method="+pass.ID).Want(http.StatusOK, "signin-verify")
		if strings.Contains(asked.Body, `inputmode="numeric"`) || !strings.Contains(asked.Text(), "Kode Akses Sementara") {
			t.Errorf("the page asks for digits:\n%s", asked.Text())
		}
		wrong := b.Post("/signin/verify", "method", pass.ID, "code", "0000-0000-0000").Want(http.StatusUnprocessableEntity, "signin-verify")
		if wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		wantAt(t, b.Post("/signin/verify", "method", pass.ID, "code", pass.Code), "/interrupt")
		wantAt(t, b.Post("/interrupt", "action", "register"), "/security-info/add")
		if !isIn(b) {
			t.Fatal("not signed in")
		}
		again := p.Browser()
		wantAt(t, signIn(t, again, "alain@contoso.com", kuncitest.OldPassword), "/signin/verify")
		if page := again.Post("/signin/verify", "method", pass.ID, "code", pass.Code); page.Path != "/signin/verify" || isIn(again) {
			t.Errorf("the pass worked twice: %s", page.Path)
		}
		for range 3 {
			p.Clock.Advance(19 * time.Minute)
			if !isIn(b) {
				t.Fatal("signed out while the pass counts")
			}
		}
		p.Clock.Advance(3 * time.Minute)
		if isIn(b) {
			t.Error("signed in after the pass is over")
		}
	})
}
