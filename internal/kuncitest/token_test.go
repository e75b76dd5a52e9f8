package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// The file an administrator brings: a clock for Alain, a counter for Citra.
const tokenFile = `upn,serial number,secret key,time interval,manufacturer,model,type,digits,algorithm
alain@contoso.com,1001,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ,60,Contoso,HardwareKey,,8,SHA256
citra@contoso.com,1002,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR,,Contoso,HardwareKey,hotp,,
`

// handOut reads the file and gives the two tokens as they are stored.
func handOut(t *testing.T, p *kuncitest.Product) (clock, counter method.Token) {
	t.Helper()
	report, err := p.App.ImportTokens(t.Context(), "contoso", strings.NewReader(tokenFile), false)
	if err != nil || report.Added != 2 || report.Assigned != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	err = p.App.DB.Read(t.Context(), func(tx *store.Tx) (err error) {
		if clock, err = p.App.Methods.TokenBySerial(t.Context(), tx, p.Organization().ID, "1001"); err != nil {
			return err
		}
		counter, err = p.App.Methods.TokenBySerial(t.Context(), tx, p.Organization().ID, "1002")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return clock, counter
}

// chosen gives the id of somebody's method of a kind.
func chosen(t *testing.T, p *kuncitest.Product, userID string, kind method.Kind) string {
	t.Helper()
	for _, m := range find(t, p, userID).Methods {
		if m.Kind == kind {
			return m.ID
		}
	}
	t.Fatalf("%s has no %s", userID, kind)
	return ""
}

func TestAResetWithAHardwareToken(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		clock, counter := handOut(t, p)
		b := p.Browser()
		b.Get("/reset")
		if page := b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("a token that is not active counts: %s %s", page.Name(), page.Problem())
		}
		for userID, code := range map[string]string{
			"alain@contoso.com": clock.OATH.Code(clock.Seed, clock.OATH.Step(p.Clock.Now())), "citra@contoso.com": counter.OATH.Code(counter.Seed, 3),
		} {
			if err := p.App.ActivateToken(t.Context(), find(t, p, userID), "", []string{code}); err != nil {
				t.Fatalf("%s: %v", userID, err)
			}
		}
		page := choose(t, b, "alain@contoso.com", "forgot", chosen(t, p, "alain@contoso.com", method.HardwareToken)).Want(http.StatusOK, "reset-verify")
		if !strings.Contains(page.Text(), "8 angka") {
			t.Errorf("the page does not say how long the code is:\n%s", page.Text())
		}
		again := b.Post("/reset/verify", "code", clock.OATH.Code(clock.Seed, clock.OATH.Step(p.Clock.Now())), "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		if again.Alert() != "code-used" {
			t.Errorf("the code of the activation: %q", again.Alert())
		}
		b.Post("/reset/verify", "code", clock.OATH.Code(clock.Seed, clock.OATH.Step(p.Clock.Now())+1), "action", "verify").Want(http.StatusOK, "reset-password")

		// A counter whose button was pressed a hundred times comes back by two codes.
		b = p.Browser()
		choose(t, b, "citra@contoso.com", "forgot", chosen(t, p, "citra@contoso.com", method.HardwareToken)).Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", counter.OATH.Code(counter.Seed, 103), "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		b.Post("/reset/verify", "code", counter.OATH.Code(counter.Seed, 104), "action", "verify").Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "citra@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %s", got)
		}
		noSecret(t, p, string(clock.Seed), string(counter.Seed), counter.OATH.Code(counter.Seed, 104), "GEZDGNBVGY3TQOJQ")
	})
}

// One code through many windows at once passes once.
func TestATokenCodeAtOncePassesOnce(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		_, counter := handOut(t, p)
		if err := p.App.ActivateToken(t.Context(), find(t, p, "citra@contoso.com"), "1002", []string{counter.OATH.Code(counter.Seed, 0)}); err != nil {
			t.Fatal(err)
		}
		b := p.Browser()
		choose(t, b, "citra@contoso.com", "forgot", chosen(t, p, "citra@contoso.com", method.HardwareToken)).Want(http.StatusOK, "reset-verify")
		var group sync.WaitGroup
		for range 10 {
			window := b.Clone()
			group.Go(func() {
				if _, err := window.Do(http.MethodPost, "/reset/verify", url.Values{"code": {counter.OATH.Code(counter.Seed, 1)}, "action": {"verify"}}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if passed := count(p, audit.ResetGatePassed); passed != 1 {
			t.Errorf("the gate was passed %d times", passed)
		}
		if text := fmt.Sprint(p.Events()); strings.Contains(text, counter.OATH.Code(counter.Seed, 1)) {
			t.Error("an event holds the code")
		}
	})
}
