package kuncitest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// meanwhile is what happens elsewhere while somebody who has proved everything has
// not yet typed the new password: after each of it the proof is worth nothing.
var meanwhile = []struct {
	name string
	does func(t *testing.T, p *kuncitest.Product, userID string)
	// now is the password afterwards, empty: the old one.
	now string
	// gone: whose password it is nobody is told of any more.
	gone bool
}{
	{name: "the person changes the password", now: "empat sepeda di pasar", does: func(t *testing.T, p *kuncitest.Product, userID string) {
		b := p.Browser()
		signIn(t, b, userID, kuncitest.OldPassword)
		page := b.Post("/password", "current_password", kuncitest.OldPassword, "new_password", "empat sepeda di pasar", "confirm_password", "empat sepeda di pasar")
		if page.Status != http.StatusOK || page.Alert() != "" {
			t.Fatalf("changing the password: %d %q", page.Status, page.Alert())
		}
	}},
	{name: "the person deletes the method", does: func(t *testing.T, p *kuncitest.Product, userID string) {
		me := signedIn(t, p, userID, "")
		me.Post("/security-info/"+me.ofKind(method.Email).ID+"/delete").Want(http.StatusOK, "security-info")
	}},
	{name: "an administrator deletes the method", does: act("delete_method")},
	{name: "an administrator freezes resets", does: act("freeze")},
	{name: "the person's data are erased", does: act("erase_person"), gone: true},
	{name: "the account is disabled", does: file("disabled", "yes"), gone: true},
	{name: "the account leaves the scope", does: file("groups", "contractors")},
	{name: "the password is kept elsewhere from now on", does: file("password_source", "external")},
	{name: "the person becomes an administrator", does: func(t *testing.T, p *kuncitest.Product, userID string) {
		t.Helper()
		p.Apply(strings.Replace(consoleOrganization, "policy:", "  - {user_id: "+userID+", role: helpdesk}\npolicy:", 1))
	}},
	{name: "resets are switched off", does: func(t *testing.T, p *kuncitest.Product, _ string) {
		t.Helper()
		p.Apply(strings.Replace(consoleOrganization, "reset: {", "reset: {scope: none, ", 1))
		t.Cleanup(func() { p.Apply(consoleOrganization) })
	}},
}

func act(name string) func(t *testing.T, p *kuncitest.Product, userID string) {
	return func(t *testing.T, p *kuncitest.Product, userID string) {
		t.Helper()
		page := atDesk(t, p, "owner@contoso.com", true).Post("/console/people/"+keyOf(t, p, userID), "act", name, "method", mailOf(t, p, userID), "confirm", userID)
		if page.Status != http.StatusOK || page.Alert() != "" {
			t.Fatalf("%s: %d %q", name, page.Status, page.Alert())
		}
	}
}

func file(column, value string) func(t *testing.T, p *kuncitest.Product, userID string) {
	return func(t *testing.T, p *kuncitest.Product, userID string) {
		t.Helper()
		p.Import("contoso", "user_id,"+column+"\n"+userID+","+value+"\n")
	}
}

// Whoever got into a mailbox has fifteen minutes. What its owner, an administrator or
// the directory does in that time counts at the very next step.
func TestWhatHappensElsewhereEndsAProof(t *testing.T) {
	people := "user_id,display_name,password,groups,email\n"
	for i := range meanwhile {
		people += fmt.Sprintf("w%d@contoso.com,Wawan,%s,staff,w%d@example.net\n", i, kuncitest.OldPassword, i)
	}
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		p.Import("contoso", people)
		for i, m := range meanwhile {
			t.Run(m.name, func(t *testing.T) {
				userID := fmt.Sprintf("w%d@contoso.com", i)
				stranger := p.Browser()
				toCode(t, stranger, userID)
				code := ""
				until(t, "the code", func() bool {
					for _, mail := range p.Mail.Mails() {
						if mail.To == fmt.Sprintf("w%d@example.net", i) {
							code = eightDigits.FindString(mail.Parse(t).Text)
						}
					}
					return code != ""
				})
				stranger.Post("/reset/verify", "code", code, "action", "verify").Want(http.StatusOK, "reset-password")
				m.does(t, p, userID)
				done := count(p, audit.ResetCompleted)
				for range 2 {
					if page := stranger.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword); page.Name() == "reset-done" {
						t.Error("the password was set all the same")
					}
				}
				if page := stranger.Get("/reset/password"); page.Name() == "reset-password" {
					t.Error("a new password is asked for")
				}
				want := m.now
				if want == "" {
					want = kuncitest.OldPassword
				}
				if n := count(p, audit.ResetCompleted) - done; n != 0 {
					t.Errorf("%d resets were completed", n)
				}
				if m.gone {
					return
				}
				if got := password(t, p, userID, want); got != directory.OK {
					t.Errorf("the password it has: %s", got)
				}
			})
		}
	})
}
