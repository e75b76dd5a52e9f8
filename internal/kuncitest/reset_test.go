package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const newPassword = "tujuh kuda minum kopi"

// each runs a journey through the real server on both databases.
func each(t *testing.T, o kuncitest.Options, journey func(t *testing.T, p *kuncitest.Product)) {
	t.Helper()
	t.Parallel()
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			mine := o
			mine.Kind = kind
			journey(t, kuncitest.Start(t, mine))
		})
	}
}

// toCode walks until a mailed code is asked for.
func toCode(t *testing.T, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	choose := b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	methods := choose.Choices("method")
	if len(methods) == 0 {
		t.Fatal("no method can be chosen")
	}
	return b.Post("/reset/verify", "method", methods[0], "action", "send").Want(http.StatusOK, "reset-verify")
}

func password(t *testing.T, p *kuncitest.Product, userID, pw string) directory.CheckResult {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	d, err := p.App.Accounts.Directory(p.Organization())
	if err != nil {
		t.Fatal(err)
	}
	result, err := d.CheckPassword(t.Context(), a.Entry.Key, pw)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAForgottenPasswordIsReset(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "Alain@Contoso.com ")
		code := p.Code(1)
		if page := b.Get("/reset/password"); page.Name() != "reset-verify" {
			t.Errorf("the gate was gone around: %s", page.Name())
		}
		wrong := b.Post("/reset/verify", "code", "00000000", "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		if wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		spaced := code[:4] + " " + code[4:]
		b.Post("/reset/verify", "code", spaced, "action", "verify").Want(http.StatusOK, "reset-password")
		for pw, want := range map[string]string{"short": "password-refused", "": "required"} {
			if page := b.Post("/reset/password", "new_password", pw, "confirm_password", pw).Want(http.StatusUnprocessableEntity, "reset-password"); page.Alert() != want {
				t.Errorf("%q: alert %q", pw, page.Alert())
			}
		}
		differ := b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword+"!").Want(http.StatusUnprocessableEntity, "reset-password")
		if differ.Alert() != "password-mismatch" || strings.Contains(differ.Body, newPassword) {
			t.Errorf("alert %q; the page repeats the password: %v", differ.Alert(), strings.Contains(differ.Body, newPassword))
		}
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %s", got)
		}
		if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.Wrong {
			t.Errorf("the old password: %s", got)
		}
		b.Get("/reset/done").Want(http.StatusOK, "reset-done")
		b.Post("/reset/password", "new_password", "another one entirely", "confirm_password", "another one entirely").Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("a finished reset wrote again: %s", got)
		}
		notice := p.Mail.Wait(t, 2)[1].Parse(t)
		if !strings.Contains(notice.Text, p.URL+"/reset/dispute/") {
			t.Errorf("the notice has no link to dispute it:\n%s", notice.Text)
		}
		for _, kind := range []audit.Kind{audit.ResetStarted, audit.ResetGateFailed, audit.ResetGatePassed, audit.ResetCompleted} {
			if !p.Has(kind) {
				t.Errorf("no event %s", kind)
			}
		}
		done := b.Get("/reset/done").Text()
		found := false
		for _, e := range p.Events() {
			found = found || e.Kind == audit.ResetCompleted && e.Correlation != "" && strings.Contains(done, e.Correlation)
		}
		if !found {
			t.Error("the support code on the page finds no event")
		}
		noSecret(t, p, code, newPassword, kuncitest.OldPassword, "alain@example.net")
		noEcho(t, p, code, spaced, newPassword, "another one entirely", kuncitest.OldPassword, "alain@example.net")
		if !p.Holds("reset.completed") || !strings.Contains(p.Answered.String(), "reset-done") {
			t.Error("what is searched for secrets is not what was stored and answered")
		}
	})
}

// noSecret looks for what must never be written down.
func noSecret(t *testing.T, p *kuncitest.Product, secrets ...string) {
	t.Helper()
	events := fmt.Sprintf("%+v", p.Events())
	for _, s := range secrets {
		if strings.Contains(p.Logged.String(), s) {
			t.Errorf("the log holds a secret of %d characters", len(s))
		}
		if strings.Contains(events, s) {
			t.Errorf("an event holds a secret of %d characters", len(s))
		}
		if len(s) >= shortestSought && p.Holds(s) {
			t.Errorf("the database holds a secret of %d characters", len(s))
		}
	}
}

// shortestSought keeps what is too short to be told from chance out of the search
// of a whole database, where identifiers and hashes are written in hexadecimal.
const shortestSought = 8

// noEcho fails when an answer to any browser of the test said one of the secrets.
func noEcho(t *testing.T, p *kuncitest.Product, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if strings.Contains(p.Answered.String(), s) {
			t.Errorf("an answer holds a secret of %d characters", len(s))
		}
	}
}

func TestThisWasntMeFreezesResets(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		text := p.Mail.Wait(t, 2)[1].Parse(t).Text
		link := text[strings.Index(text, p.URL):]
		link = strings.TrimPrefix(strings.Fields(link)[0], p.URL)
		victim := p.Browser()
		for range 2 { // mail scanners open links: nothing happens
			victim.Get(link).Want(http.StatusOK, "reset-dispute")
		}
		stranger := p.Browser()
		stranger.Get("/reset")
		stranger.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		victim.Post(link).Want(http.StatusOK, "reset-dispute-done")
		again := p.Browser()
		again.Get("/reset")
		if page := again.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("a frozen account: %s %s", page.Name(), page.Problem())
		}
		to := ""
		for _, m := range p.Mail.Wait(t, 3) {
			to += m.To
		}
		if !strings.Contains(to, "helpdesk@contoso.example") {
			t.Errorf("the helpdesk was not told: %s", to)
		}
	})
}

func TestDeadEnds(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		for userID, want := range map[string]string{
			"citra@contoso.com": "not-verified", "nobody@contoso.com": "not-verified", "eko@contoso.com": "not-enabled",
			"fitri@contoso.com": "not-managed", "adele@contoso.com": "not-verified",
		} {
			b := p.Browser()
			b.Get("/reset")
			page := b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-problem")
			if page.Problem() != want {
				t.Errorf("%s: %s, want %s", userID, page.Problem(), want)
			}
			if got := page.Has("/reset/contact"); got != (want != "not-managed") {
				t.Errorf("%s: a request can be sent: %v", userID, got)
			}
		}
		without := p.Browser().WithoutCookies()
		without.Get("/reset")
		if page := without.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Problem() != "cookies" {
			t.Errorf("without cookies: %s", page.Problem())
		}
		late := p.Browser()
		toCode(t, late, "alain@contoso.com")
		code := p.Code(1)
		p.Clock.Advance(15*time.Minute + time.Second)
		if page := late.Post("/reset/verify", "code", code, "action", "verify"); page.Problem() != "expired" {
			t.Errorf("after 15 minutes: %s %s", page.Name(), page.Problem())
		}
	})
}

// An account that does not exist and one that is not registered get the same
// answer, but for the support code and the user ID they typed.
func TestUnknownAndUnregisteredLookTheSame(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		pages := make([]*kuncitest.Page, 2)
		for i, userID := range []string{"citra@contoso.com", "citro@contoso.com"} {
			b := p.Browser()
			b.Get("/reset")
			b.Post("/reset", "user_id", userID, "reason", "forgot")
			b.Get("/reset/contact").Want(http.StatusOK, "reset-contact")
			long := strings.Repeat("Tolong saya. ", 2000)
			if page := b.Post("/reset/contact", "message", long).Want(http.StatusUnprocessableEntity, "reset-contact"); page.Alert() != "too-long" || !strings.Contains(page.Body, long) {
				t.Errorf("a long message: %q, and what was typed is gone", page.Alert())
			}
			b.Post("/reset/contact", "message", "Tolong").Want(http.StatusOK, "reset-contact-sent")
			pages[i] = b.Get("/reset/problem").Want(http.StatusOK, "reset-problem")
			pages[i].Body = strings.ReplaceAll(pages[i].Body, userID, "USER")
			pages[i].Body = strings.ReplaceAll(pages[i].Body, pages[i].Header.Get("Date"), "")
		}
		if a, b := supportCode(pages[0].Body), supportCode(pages[1].Body); a != b {
			t.Errorf("they differ:\n%s\n---\n%s", a, b)
		}
		// On a slow machine the day's count of requests comes, too; it names nobody.
		about := 0
		for _, m := range p.Mail.Wait(t, 1) {
			text := m.Parse(t).Text
			if strings.Contains(text, "citra@contoso.com") {
				about++
			}
			if m.To != "helpdesk@contoso.example" || strings.Contains(text, "citro") {
				t.Errorf("a mail to %s:\n%s", m.To, text)
			}
		}
		if about > 1 {
			t.Errorf("%d mails about one request", about)
		}
		for n := 1; about == 0; n++ {
			if strings.Contains(p.Mail.Wait(t, n)[n-1].Parse(t).Text, "citra@contoso.com") {
				about++
			}
		}
	})
}

func supportCode(body string) string {
	before, after, _ := strings.Cut(body, `<p class="code">`)
	_, after, _ = strings.Cut(after, "</p>")
	return before + after
}

// Fifty wrong codes at once: five are judged, and then the right one does not pass.
func TestFiftyWrongCodesAtOnce(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		code := p.Code(1)
		var group sync.WaitGroup
		for n := range 50 {
			window := b.Clone()
			group.Go(func() {
				if _, err := window.Do(http.MethodPost, "/reset/verify", url.Values{"code": {fmt.Sprintf("%08d", n)}, "action": {"verify"}}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if judged := count(p, audit.ResetGateFailed); judged != 5 {
			t.Errorf("%d were judged, want five", judged)
		}
		if page := b.Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("the right code passed after fifty wrong ones")
		}
		if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.OK {
			t.Errorf("signing in is locked too: %s", got)
		}
	})
}

func TestTheRightCodeSentManyTimesAtOnceWinsOnce(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		code := p.Code(1)
		var group sync.WaitGroup
		for range 10 {
			window := b.Clone()
			group.Go(func() {
				if _, err := window.Do(http.MethodPost, "/reset/verify", url.Values{"code": {code}, "action": {"verify"}}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if passed := count(p, audit.ResetGatePassed); passed != 1 {
			t.Errorf("the gate was passed %d times", passed)
		}
		b.Get("/reset/password").Want(http.StatusOK, "reset-password")
	})
}

func count(p *kuncitest.Product, kind audit.Kind) (n int) {
	for _, e := range p.Events() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestAFirstPassword(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "hana@contoso.com", "reason", "never_received").Want(http.StatusOK, "reset-choose")
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "hana@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the first password: %s", got)
		}
	})
}

// A GET or HEAD sends and consumes nothing.
func TestLookingChangesNothing(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		code := p.Code(1)
		for range 3 {
			for _, path := range []string{"/reset", "/reset/verify", "/reset/password", "/reset/done", "/reset/contact"} {
				for _, method := range []string{http.MethodGet, http.MethodHead} {
					if _, err := b.Do(method, path, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		b.Post("/reset/verify", "code", code, "action", "verify").Want(http.StatusOK, "reset-password")
		if n := len(p.Mail.Mails()); n != 1 {
			t.Errorf("%d mails were sent", n)
		}
	})
}

func TestResendingRepeatsTheCodeThatLives(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		first := p.Code(1)
		p.Clock.Advance(time.Second)
		b.Post("/reset/verify", "action", "resend").Want(http.StatusOK, "reset-verify")
		if second := p.Code(2); second != first {
			t.Errorf("a second code was made while the first lives")
		}
	})
}

func TestManyStartsAskForWork(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	b.Get("/reset")
	var page *kuncitest.Page
	for range 11 {
		page = b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot")
	}
	if page.Want(http.StatusUnprocessableEntity, "reset-identify").Alert() != "captcha-needed" {
		t.Fatalf("alert %q", page.Alert())
	}
	if typed, _ := page.Field("user_id"); typed != "citra@contoso.com" {
		t.Errorf("what was typed is lost: %q", typed)
	}
	if empty := b.Post("/reset", "user_id", " ", "reason", "forgot"); empty.Alert() != "required" {
		t.Errorf("work is asked for where nothing was typed: %q", empty.Alert())
	}
	wait, _ := page.Field("altcha")
	early := b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot", "altcha", wait)
	if early.Alert() != "captcha-needed" {
		t.Errorf("without waiting: %s %q", early.Name(), early.Alert())
	}
	p.Clock.Advance(20 * time.Second)
	b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot", "altcha", wait).Want(http.StatusOK, "reset-problem")
}
