package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

// TestAPhoneNobodyUsedKeepsNobodyOut: account files bring phones; where no
// gateway is set up, they are no second factor that cannot be answered.
func TestAPhoneNobodyUsedKeepsNobodyOut(t *testing.T) {
	const file = `user_id,password,mobile_phone
alain@contoso.com,teapot harbour violin,+6281234567890
`
	p := kuncitest.Start(t, kuncitest.Options{Organization: kuncitest.Contoso, Accounts: file})
	wantAt(t, signIn(t, p.Browser(), "alain@contoso.com", "teapot harbour violin"), "/interrupt")
	// With a gateway the same phone is asked for.
	options := phoneOptions()
	options.Accounts = file
	p = kuncitest.Start(t, options)
	wantAt(t, signIn(t, p.Browser(), "alain@contoso.com", "teapot harbour violin"), "/signin/verify")
}

// TestLooksGoodDoesNotRegister: saying that methods are right does not stand in
// for registering any, nor for putting it off once more.
func TestLooksGoodDoesNotRegister(t *testing.T) {
	p := kuncitest.Start(t, officeOptions())
	b := p.Browser()
	wantAt(t, signIn(t, b, "citra@contoso.com", "teapot harbour violin"), "/interrupt")
	if page := b.Post("/interrupt", "action", "looks_good"); page.Status != http.StatusUnprocessableEntity || page.Alert() != "register-now" || page.Name() != "interrupt" {
		t.Fatalf("status %d, page %q, alert %q", page.Status, page.Name(), page.Alert())
	}
	b.Get("/interrupt").Want(http.StatusOK, "interrupt")
}

// TestNoticesAreInTheirReadersLanguage: the browser at which a password was
// reset may be somebody else's; what the owner reads is in the owner's language.
func TestNoticesAreInTheirReadersLanguage(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Organization: kuncitest.Contoso, Accounts: `user_id,password,email,language
alain@contoso.com,teapot harbour violin,alain@example.net,id
`})
	b := p.Browser()
	b.Get("/reset?lang=en")
	toCode(t, b, "alain@contoso.com")
	b.Post("/reset/verify", "action", "verify", "code", p.Code(1)).Want(http.StatusOK, "reset-password")
	b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
	if text := p.Mail.Wait(t, 2)[1].Parse(t).Text; !strings.Contains(text, "Ini bukan saya") {
		t.Errorf("the notice is not in Indonesian:\n%s", text)
	}
}

// TestAFormSentTwiceShowsThatItWorked: on a phone a button is often tapped twice,
// and the browser shows the answer to the second form.
func TestAFormSentTwiceShowsThatItWorked(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		b.Post("/reset/verify", "action", "verify", "code", p.Code(1)).Want(http.StatusOK, "reset-password")
		form := url.Values{"new_password": {newPassword}, "confirm_password": {newPassword}}
		answers := make(chan *kuncitest.Page, 6)
		for range cap(answers) {
			go func() {
				page, err := b.Do(http.MethodPost, "/reset/password", form)
				if err != nil {
					t.Error(err)
				}
				answers <- page
			}()
		}
		for range cap(answers) {
			if page := <-answers; page != nil && page.Name() != "reset-done" {
				t.Errorf("%d %q, alert %q", page.Status, page.Name(), page.Alert())
			}
		}
		completed := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetCompleted {
				completed++
			}
		}
		if completed != 1 {
			t.Errorf("%d resets were completed", completed)
		}
	})
}

// TestStatusesThatProgramsRead: what is too long, sent by a wrong method, or
// asked for with a slash too many.
func TestStatusesThatProgramsRead(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{})
	b := p.Browser().StayingPut()
	b.Get("/reset")
	for name, c := range map[string]struct {
		page *kuncitest.Page
		want int
		at   string
	}{
		"a body too long":              {b.Post("/reset", "user_id", strings.Repeat("a", 70_000), "reason", "forgot"), http.StatusRequestEntityTooLarge, ""},
		"an address too long":          {b.Get("/" + strings.Repeat("a", 3000)), http.StatusRequestEntityTooLarge, ""},
		"the document, posted":         {b.Post("/api/openapi.json"), http.StatusMethodNotAllowed, ""},
		"the console, with a slash":    {b.Get("/console/"), http.StatusSeeOther, "/console"},
		"a factor of nobody signed in": {p.Browser().StayingPut().Post("/signin/verify", "code", "123456"), http.StatusSeeOther, "/"},
		"nothing of nobody signed in":  {p.Browser().StayingPut().Post("/signin/verify", "next", "/password"), http.StatusSeeOther, "/signin?next=%2Fpassword"},
	} {
		if c.page.Status != c.want || c.page.Header.Get("Location") != c.at {
			t.Errorf("%s: %d to %q, want %d to %q", name, c.page.Status, c.page.Header.Get("Location"), c.want, c.at)
		}
	}
	request, err := http.NewRequest(http.MethodOptions, p.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.URL.Opaque = "*"
	answer, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("OPTIONS *: %d", answer.StatusCode)
	}
}

// TestAnActionThatIsNoneSendsNothing: a word that no form of ours sends is
// refused on the page where the flow stands.
func TestAnActionThatIsNoneSendsNothing(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		chosen := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose").Choices("method")[0]
		for _, fields := range [][]string{{"method", chosen, "action", "call"}, {"action", "call"}} {
			if page := b.Post("/reset/verify", fields...).Want(http.StatusUnprocessableEntity, "reset-choose"); page.Alert() != "bad-input" {
				t.Errorf("%v: %q", fields, page.Alert())
			}
		}
		b.Post("/reset/verify", "method", chosen).Want(http.StatusOK, "reset-verify") // choosing may go without a word
		if code := p.Code(1); code == "" {
			t.Error("no code was sent")
		}
		if mails := p.Mail.Mails(); len(mails) != 1 {
			t.Errorf("%d mails", len(mails))
		}
	})
}
