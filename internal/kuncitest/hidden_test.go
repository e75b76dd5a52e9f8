package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

const discreet = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
support: {email: helpdesk@contoso.example}
administrators: [{user_id: adele@contoso.com, role: owner}]
policy:
  captcha: off
  reset: {exclude_groups: [contractors], disclose_status: false, methods: [authenticator_code, recovery_code, email]}
  throttle: {resets: {limit: 2, per: 1h, lock: 24h}}
`

const discreetPeople = `user_id,display_name,password,groups,email,password_source,disabled
alain@contoso.com,Alain Dupont,teapot harbour violin,staff,alain@example.net,managed,no
citra@contoso.com,Citra Lestari,teapot harbour violin,staff,,managed,no
eko@contoso.com,Eko Prasetyo,teapot harbour violin,contractors,eko@example.net,managed,no
fitri@contoso.com,Fitri Handayani,,staff,fitri@example.net,external,no
gita@contoso.com,Gita Putri,teapot harbour violin,staff,gita@example.net,managed,yes
hana@contoso.com,Hana Wijaya,,staff,hana@example.net,managed,no
adele@contoso.com,Adele Vance,teapot harbour violin,staff,adele@example.net,managed,no
`

// states are the accounts behind a user ID that nobody may tell apart. The mail
// is what a stranger types; where it is the person's own, see below.
var states = []struct{ who, userID string }{
	{"registered", "alain@contoso.com"},
	{"unregistered", "citra@contoso.com"},
	{"out of scope", "eko@contoso.com"},
	{"managed elsewhere", "fitri@contoso.com"},
	{"disabled", "gita@contoso.com"},
	{"without a password", "hana@contoso.com"},
	{"an administrator", "adele@contoso.com"},
	{"unknown", "nobody@contoso.com"},
	{"frozen", "beku@contoso.com"},
}

// shown is everything that a page tells, without what is one visit's own.
func shown(page *kuncitest.Page, userID string) string {
	body := strings.ReplaceAll(supportCode(page.Body), userID, "USER")
	body = strings.ReplaceAll(body, strings.Split(userID, "@")[0], "NAME")
	header := page.Header.Clone()
	header.Del("Date")
	header.Del("Content-Length")
	var cookies []string
	for _, c := range header.Values("Set-Cookie") {
		name, rest, _ := strings.Cut(c, "=")
		_, attributes, _ := strings.Cut(rest, ";")
		cookies = append(cookies, name+";"+attributes)
	}
	header["Set-Cookie"] = cookies
	for name := range header {
		if strings.Contains(strings.ToLower(name), "correlation") || strings.EqualFold(name, "X-Request-Id") {
			header.Del(name)
		}
	}
	return fmt.Sprintf("%d %s %s %s\n%v\n%s", page.Status, page.Path, page.Name(), page.Alert(), header, body)
}

// walkHidden does what a stranger can do, and gives every answer with its time.
func walkHidden(t *testing.T, p *kuncitest.Product, userID string) (answers []string, times []time.Duration) {
	t.Helper()
	b := p.Browser().StayingPut()
	get := func(path string) {
		page, err := b.Do(http.MethodGet, path, nil)
		if err != nil {
			t.Error(err)
			return
		}
		answers = append(answers, shown(page, userID))
	}
	do := func(path string, fields ...string) {
		form := make(url.Values)
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
		}
		began := time.Now()
		page, err := b.Do(http.MethodPost, path, form)
		times = append(times, time.Since(began))
		if err != nil {
			t.Error(err)
			return
		}
		answers = append(answers, shown(page, userID))
		get("/reset/verify")
	}
	get("/reset")
	do("/reset", "user_id", userID, "reason", "forgot")
	do("/reset/verify", "action", "verify", "code", "12345678")
	do("/reset/verify", "method", "kind:nothing", "action", "send")
	do("/reset/verify", "method", "kind:email", "action", "send")
	do("/reset/verify", "method", "kind:email", "destination", "no address", "action", "send")
	do("/reset/verify", "method", "kind:email", "destination", "somebody@example.org", "action", "send")
	do("/reset/verify", "action", "resend")
	do("/reset/verify", "method", "kind:email", "code", "12", "action", "verify")
	for range 3 {
		do("/reset/verify", "method", "kind:email", "code", "12345678", "action", "verify")
	}
	do("/reset/verify", "action", "back")
	do("/reset/verify", "method", "kind:authenticator_code", "action", "send")
	do("/reset/verify", "method", "kind:authenticator_code", "code", "123456", "action", "verify")
	do("/reset/verify", "action", "back")
	do("/reset/verify", "method", "kind:recovery_code", "action", "send")
	do("/reset/verify", "method", "kind:recovery_code", "code", "0000-0000-0000-0000", "action", "verify")
	do("/reset/verify", "action", "back")
	do("/reset/verify", "method", "kind:email", "action", "send")
	do("/reset/verify", "method", "kind:email", "destination", "somebody@example.org", "action", "send")
	for range 3 { // the fifth wrong one locks the kind
		do("/reset/verify", "method", "kind:email", "code", "12345678", "action", "verify")
	}
	do("/reset/password", "new_password", newPassword, "confirm_password", newPassword)
	do("/reset/contact", "message", "Tolong")
	for n := range 3 { // resets begun: two an hour
		answers = append(answers, fmt.Sprint("start ", n))
		do("/reset", "user_id", userID, "reason", "forgot")
		do("/reset/verify", "method", "kind:authenticator_code", "action", "send")
		get("/reset/problem")
	}
	return answers, times
}

func freeze(t *testing.T, p *kuncitest.Product, userID string) {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
		return p.App.Accounts.Freeze(t.Context(), tx, audit.Actor{Kind: audit.System}, a.OrgID, a.ID)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAHiddenStatusShowsNothingBeforeAProof(t *testing.T) {
	people := discreetPeople + "beku@contoso.com,Beku,teapot harbour violin,staff,beku@example.net,managed,no\n"
	each(t, kuncitest.Options{Organization: discreet, Accounts: people}, func(t *testing.T, p *kuncitest.Product) {
		freeze(t, p, "beku@contoso.com")
		moreMethods(t, p, "alain@contoso.com")
		all, times := make([][]string, len(states)), make([][]time.Duration, len(states))
		var group sync.WaitGroup
		for i, c := range states {
			group.Go(func() { all[i], times[i] = walkHidden(t, p, c.userID) })
		}
		group.Wait()
		first := all[0]
		if !strings.Contains(strings.Join(first, "\n"), "429 ") || !strings.Contains(first[len(first)-1], "blocked") {
			t.Errorf("no throttle was met: the walk shows too little:\n%s", first[len(first)-1])
		}
		for i, c := range states {
			for n := range first {
				if n >= len(all[i]) {
					t.Fatalf("%s: %d answers, registered %d", c.who, len(all[i]), len(first))
				}
				if all[i][n] != first[n] {
					t.Fatalf("%s, answer %d:\n%s\n-- registered:\n%s", c.who, n, all[i][n], first[n])
				}
			}
			if here, there := median(times[i]), median(times[0]); here > 2*there || there > 2*here {
				t.Errorf("%s: %v, registered %v", c.who, here, there)
			}
		}
		if n := len(p.Mail.Mails()); n > 0 {
			for _, m := range p.Mail.Mails() {
				if codeInText.MatchString(m.Parse(t).Text) {
					t.Error("a code was mailed to an address that was only typed")
				}
			}
		}
		// Decoys are stable: the next day it is the same again.
		p.Clock.Advance(49 * time.Hour)
		again, _ := walkHidden(t, p, "nobody@contoso.com")
		for i := range again {
			if again[i] != first[i] {
				t.Fatalf("two days later, answer %d:\n%s\n-- before:\n%s", i, again[i], first[i])
			}
		}
	})
}

var codeInText = regexp.MustCompile(`\b\d{8}\b`)

// prove walks a hidden flow to its first proof.
func prove(t *testing.T, p *kuncitest.Product, userID, address string) *kuncitest.Page {
	t.Helper()
	b := p.Browser()
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	b.Post("/reset/verify", "method", "kind:email", "action", "send").Want(http.StatusOK, "reset-verify")
	mails := len(p.Mail.Mails())
	b.Post("/reset/verify", "method", "kind:email", "destination", address, "action", "send").Want(http.StatusOK, "reset-verify")
	page := b.Post("/reset/verify", "method", "kind:email", "code", p.Code(mails+1), "action", "verify")
	if page.Name() == "reset-password" {
		page = b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword)
		p.Mail.Wait(t, mails+2) // the notice, so that nobody takes it for the next code
	}
	return page
}

func TestAHiddenStatusLetsThoseInWhoTypeTheirOwnAddress(t *testing.T) {
	each(t, kuncitest.Options{Organization: discreet, Accounts: discreetPeople}, func(t *testing.T, p *kuncitest.Product) {
		prove(t, p, "alain@contoso.com", "Alain@Example.NET").Want(http.StatusOK, "reset-done")
		if password(t, p, "alain@contoso.com", newPassword) != directory.OK {
			t.Error("the password was not set")
		}
		// After the proof, what stands in the way is said.
		for userID, want := range map[string]string{
			"eko@contoso.com": "not-enabled", "fitri@contoso.com": "not-managed", "gita@contoso.com": "not-verified", "adele@contoso.com": "not-verified",
		} {
			page := prove(t, p, userID, strings.Split(userID, "@")[0]+"@example.net")
			if page.Name() != "reset-problem" || page.Problem() != want {
				t.Errorf("%s: %s %s, want %s", userID, page.Name(), page.Problem(), want)
			}
		}
	})
}
