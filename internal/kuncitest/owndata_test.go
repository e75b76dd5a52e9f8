package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
)

// Somebody downloads what is kept of them, and asks for it to be erased.
func TestPeopleSeeAndGiveUpTheirData(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		if page := p.Browser().Get("/security-info/data"); page.Name() != "signin" {
			t.Errorf("nobody in particular is at %s", page.Name())
		}
		me := signedIn(t, p, "alain@contoso.com", "")
		if !me.Get("/security-info").Has("/security-info/data") {
			t.Error("nothing leads there")
		}
		if page := me.Get("/security-info/data").Want(http.StatusOK, "own-data"); !page.Has("/help/own-data") {
			t.Errorf("the help is at %q", page.Links("/help"))
		}
		if p.Has(audit.ExportCreated) {
			t.Error("looking exports")
		}
		got := me.Post("/security-info/data", "act", "download")
		var all struct {
			Account struct{ ID string }
			Methods []struct{ Value string }
		}
		if err := json.Unmarshal([]byte(got.Body), &all); err != nil || all.Account.ID != me.account.ID || len(all.Methods) != 1 || all.Methods[0].Value != "alain@example.net" {
			t.Fatalf("%v: %s", err, got.Body)
		}
		for _, other := range []string{"citra@contoso.com", "adele@contoso.com", kuncitest.OldPassword} {
			if strings.Contains(got.Body, other) {
				t.Errorf("the file holds %s", other)
			}
		}
		exported := func() (n int) {
			for _, e := range p.Events() {
				if e.Kind == audit.ExportCreated && e.Reason == "person" && e.Actor.Kind == audit.Person && e.Actor.Account == me.account.ID && e.Target == me.account.ID {
					n++
				}
			}
			return n
		}
		if exported() != 1 {
			t.Errorf("%d events", exported())
		}

		// A request from a dead end is open already; this one is another.
		stranger := p.Browser()
		toCode(t, stranger, "alain@contoso.com")
		for range 6 {
			stranger.Post("/reset/verify", "code", "00000000", "action", "verify")
		}
		stranger.Post("/reset/contact", "message", "Saya terkunci").Want(http.StatusOK, "reset-contact-sent")
		if page := me.Post("/security-info/data", "act", "erase", "message", strings.Repeat("x", 20_000)).Want(http.StatusUnprocessableEntity, "own-data"); page.Alert() != "too-long" || !strings.Contains(page.Body, strings.Repeat("x", 20_000)) {
			t.Errorf("too long: %q", page.Alert())
		}
		for range 2 {
			if page := me.Post("/security-info/data", "act", "erase", "message", "Saya pindah kerja.").Want(http.StatusOK, "own-data"); !strings.Contains(page.Text(), "sudah dikirim") {
				t.Errorf("asked: %s", page.Text())
			}
		}
		var opened []string
		for _, e := range p.Events() {
			if e.Kind == audit.RequestOpened {
				opened = append(opened, e.Reason+" "+e.Actor.UserID)
			}
		}
		if len(opened) != 2 || opened[0] != "erasure alain@contoso.com" {
			t.Errorf("opened: %q", opened)
		}
		until(t, "mail to the helpdesk", func() bool {
			return slices.ContainsFunc(p.Mail.Mails(), func(mail notifytest.Received) bool {
				text := mail.Parse(t)
				return mail.To == "helpdesk@contoso.example" && strings.Contains(text.Text, "datanya dihapus") && strings.Contains(text.Text, "Saya pindah kerja.")
			})
		})
		if page := me.Post("/security-info/data", "act", "anything"); page.Status != http.StatusBadRequest {
			t.Errorf("no act: %d", page.Status)
		}

		// Whole numbers are not for a session that was left open.
		m, shows := app(t, p, "alain@contoso.com")
		me = signedIn(t, p, "alain@contoso.com", m.ID)
		me.Get("/security-info/data").Want(http.StatusOK, "own-data")
		p.Clock.Advance(11 * time.Minute)
		before := exported()
		if page := me.Post("/security-info/data", "act", "download"); page.Name() != "signin-verify" || exported() != before {
			t.Errorf("with an old proof: %s", page.Name())
		}
		if page := me.Post("/security-info/data", "act", "erase"); page.Name() != "signin-verify" {
			t.Errorf("asking with an old proof: %s", page.Name())
		}
		verify := me.Get("/security-info/data").Want(http.StatusOK, "signin-verify")
		next, _ := verify.Field("next")
		me.Post("/signin/verify", "next", next, "method", m.ID, "code", shows()).Want(http.StatusOK, "own-data")
	})
}
