package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// addPasskey walks from the list of kinds to a passkey on a device.
func addPasskey(t *testing.T, b *kuncitest.Browser, d *kuncitest.Device, name string) *kuncitest.Page {
	t.Helper()
	intro := b.Get("/security-info/add?kind=passkey").Want(http.StatusOK, "security-info-add")
	if intro.PasskeyOptions() != "" {
		t.Error("a GET begins a registration")
	}
	page := b.Post("/security-info/add", "kind", "passkey").Want(http.StatusOK, "security-info-add")
	id, _ := page.Field("method")
	return b.Post("/security-info/add", "kind", "passkey", "method", id, "name", name, "code", d.Make(page.PasskeyOptions()))
}

func TestAPasskeyIsAddedUsedAndDeleted(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		mine := p.Device()
		list := addPasskey(t, me.Browser, mine, "Laptop kantor").Want(http.StatusOK, "security-info")
		if !strings.Contains(list.Text(), "Laptop kantor") {
			t.Errorf("the list lacks it:\n%s", list.Text())
		}
		m := me.ofKind(method.Passkey)
		if rows(list)[m.ID] != "passkey" {
			t.Errorf("rows %v", rows(list))
		}
		if !p.Has(audit.MethodAdded) {
			t.Error("no event")
		}
		p.Mail.Wait(t, 1) // the notice to the mailbox

		// It passes a gate at once, for a browser that is not signed in.
		stranger := p.Browser()
		page := toPasskey(t, stranger, "alain@contoso.com")
		id, _ := page.Field("method")
		stranger.Post("/reset/verify", "method", id, "action", "verify", "code", mine.Use(page.PasskeyOptions())).Want(http.StatusOK, "reset-password")

		// A second one on the same device is not made.
		again := me.Post("/security-info/add", "kind", "passkey").Want(http.StatusOK, "security-info-add")
		if !mine.Excluded(again.PasskeyOptions()) {
			t.Error("the browser may make a second passkey on the same device")
		}
		id, _ = again.Field("method")
		refused := me.Post("/security-info/add", "kind", "passkey", "method", id, "code", mine.Make(again.PasskeyOptions())).Want(http.StatusUnprocessableEntity, "security-info-add")
		if refused.Alert() != "method-duplicate" {
			t.Error(refused.Alert())
		}
		me.Post("/security-info/add", "kind", "passkey", "action", "cancel")

		// What is deleted stays with the browser while it can be brought back.
		proveAgain(t, me, mine)
		me.Post("/security-info/"+m.ID+"/delete").Want(http.StatusOK, "security-info")
		if kept := keptPasskeys(me.Get("/security-info")); !mine.Named(kept) {
			t.Errorf("the browser is told to forget it: %s", kept)
		}
		p.Clock.Advance(method.UndoFor + time.Minute)
		me = signedIn(t, p, "alain@contoso.com", "")
		if kept := keptPasskeys(me.Get("/security-info")); kept == "" || mine.Named(kept) {
			t.Errorf("the browser is not told to forget it: %q", kept)
		}
	})
}

// proveAgain gives the fresh proof that changes need, with a passkey.
func proveAgain(t *testing.T, me *person, d *kuncitest.Device) {
	t.Helper()
	page := me.Get("/signin/verify").Want(http.StatusOK, "signin-verify")
	id, _ := page.Field("method")
	wantAt(t, me.Post("/signin/verify", "method", id, "action", "verify", "code", d.Use(page.PasskeyOptions())), "/security-info")
}

func keptPasskeys(p *kuncitest.Page) string {
	for _, n := range p.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "data-passkeys-kept") != "" }) {
		return kuncitest.Attribute(n, "data-passkeys-kept")
	}
	return ""
}

// Replacing keeps the old one until the new one is there, also on the same device.
func TestAPasskeyIsReplaced(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		first, second := p.Device(), p.Device()
		addPasskey(t, me.Browser, first, "")
		old := me.ofKind(method.Passkey)
		page := me.Post("/security-info/"+old.ID+"/change").Want(http.StatusOK, "security-info-add")
		if first.Excluded(page.PasskeyOptions()) {
			t.Error("the device of the one that is replaced is excluded")
		}
		if !me.ofKind(method.Passkey).Usable() {
			t.Error("the old one stopped counting before the new one was made")
		}
		id, _ := page.Field("method")
		me.Post("/security-info/add", "kind", "passkey", "method", id, "code", second.Make(page.PasskeyOptions())).Want(http.StatusOK, "security-info")
		if now := me.ofKind(method.Passkey); now.ID == old.ID || !now.Usable() {
			t.Errorf("%+v", now)
		}
	})
}

// A page whose challenge is too old asks once more, and then it works.
func TestAPasskeyIsMadeAfterALongWait(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		held := p.Device()
		other := p.GivePasskey("alain@contoso.com", held)
		me := signedIn(t, p, "alain@contoso.com", other.ID)
		page := me.Post("/security-info/add", "kind", "passkey").Want(http.StatusOK, "security-info-add")
		id, _ := page.Field("method")
		mine := p.Device()
		late := mine.Make(page.PasskeyOptions())
		p.Clock.Advance(11 * time.Minute)
		proveAgain(t, me, held)
		refused := me.Post("/security-info/add", "kind", "passkey", "method", id, "code", late).Want(http.StatusUnprocessableEntity, "security-info-add")
		if refused.Alert() != "code-expired" {
			t.Error(refused.Alert())
		}
		me.Post("/security-info/add", "kind", "passkey", "method", id, "code", mine.Make(refused.PasskeyOptions())).Want(http.StatusOK, "security-info")
	})
}

func TestWherePasskeysCannotWorkThePageSaysWhy(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		page := me.Get("/security-info/add").Want(http.StatusOK, "security-info-add")
		none := page.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "data-none") == "passkey" })
		if len(none) != 1 || !strings.Contains(page.Text(), "dibuka dengan angka") {
			t.Errorf("nothing is said:\n%s", page.Text())
		}
		if refused := me.Post("/security-info/add", "kind", "passkey"); refused.Alert() != "method-kind" {
			t.Errorf("begun: %s", refused.Alert())
		}
	})
}
