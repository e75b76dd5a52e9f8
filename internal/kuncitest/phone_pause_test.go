package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// When hardly any code is used, every page that would send one says in words that
// texts and calls pause and what to do instead; mail goes on, support is told, and
// after an hour it is over.
func TestPhonesPauseInWords(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		id := p.Organization().ID
		err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
			slot := p.Clock.Now().Add(-30*time.Minute).Unix() / 300
			_, err := tx.Exec(t.Context(), `INSERT INTO challenge_phone (org_id, slot, sent, passed) VALUES ($1, $2, 50, 9)`, id, slot)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		b := p.Browser()
		toNumber(t, b, "citra@contoso.com")
		page := b.Post("/reset/verify", "destination", "081234567843", "action", "send")
		if page.Alert() != "send-paused" || !strings.Contains(page.Text(), "sedang dijeda. Silakan pakai cara lain.") || page.Header.Get("Retry-After") == "" {
			t.Fatalf("at a reset: %d %q\n%s", page.Status, page.Alert(), page.Text())
		}
		b.Header.Set("Accept-Language", "en")
		if page = b.Post("/reset/verify", "action", "resend"); page.Alert() != "send-paused" || !strings.Contains(page.Text(), "are paused for your organization") {
			t.Errorf("in English: %d %q\n%s", page.Status, page.Alert(), page.Text())
		}
		if !strings.Contains(page.Body, `value="back"`) {
			t.Errorf("no other way is offered:\n%s", page.Text())
		}
		in := p.Browser()
		in.Get("/signin")
		in.Post("/signin", "user_id", "alain@contoso.com")
		factor := in.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify").Choices("method")[0]
		if page = in.Post("/signin/verify", "method", factor, "action", "send"); page.Alert() != "send-paused" {
			t.Errorf("at sign-in: %d %q", page.Status, page.Alert())
		}
		me := signedIn(t, p, "budi@contoso.com", "")
		me.proveNow(me.ofKind("office_phone").ID)
		if page = me.Post("/security-info/add", "kind", "mobile_phone", "phone", "0812 3456 7000"); page.Alert() != "send-paused" {
			t.Errorf("while registering: %d %q", page.Status, page.Alert())
		}
		if n := len(p.Phones.Asks()); n != 0 {
			t.Errorf("%d texts and calls in the pause", n)
		}
		notice := p.Mail.Wait(t, 1)
		if len(notice) != 1 || notice[0].To != "helpdesk@contoso.example" {
			t.Errorf("support was told %d times", len(notice))
		}
		b.Post("/reset/verify", "action", "back").Want(http.StatusOK, "reset-choose")
		toCode(t, p.Browser(), "citra@contoso.com")
		p.Clock.Advance(time.Hour)
		again := p.Browser()
		toNumber(t, again, "citra@contoso.com")
		if page = again.Post("/reset/verify", "destination", "081234567843", "action", "send"); page.Alert() != "" {
			t.Errorf("after the pause: %q", page.Alert())
		}
		p.Texts(t, 1)
	})
}
