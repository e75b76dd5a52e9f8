package kuncitest_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
)

func discreetPhones() kuncitest.Options {
	return kuncitest.Options{
		Organization: strings.Replace(discreet, "methods: [authenticator_code, recovery_code, email]}", "methods: [email, mobile_phone, office_phone]}\n  phone: {countries: [ID]}", 1),
		Accounts: `user_id,display_name,password,groups,email,mobile_phone,office_phone,password_source
alain@contoso.com,Alain Dupont,teapot harbour violin,staff,,0812-3456-7842,,managed
budi@contoso.com,Budi Santoso,teapot harbour violin,staff,,,021 5550100 ext 12,managed
citra@contoso.com,Citra Lestari,teapot harbour violin,staff,,,,managed
dewi@contoso.com,Dewi Lestari,teapot harbour violin,staff,,+65 8123 4567,,managed
eko@contoso.com,Eko Prasetyo,teapot harbour violin,contractors,,0812-3456-7843,,managed
fitri@contoso.com,Fitri Handayani,,staff,,0812-3456-7844,,external
`,
		Phones: &notifytest.GatewayOptions{},
	}
}

// Behind a hidden status phones are asked for like everything else: whoever has
// one, has none, or is not there gets the same pages, and nothing is sent to a
// number that is only typed.
func TestAHiddenStatusShowsNoPhone(t *testing.T) {
	each(t, discreetPhones(), func(t *testing.T, p *kuncitest.Product) {
		who := []string{"alain@contoso.com", "budi@contoso.com", "citra@contoso.com", "dewi@contoso.com", "eko@contoso.com", "fitri@contoso.com", "nobody@contoso.com"}
		all := make([][]string, len(who))
		var group sync.WaitGroup
		for i, userID := range who {
			group.Go(func() { all[i] = walkHiddenPhones(t, p, userID) })
		}
		group.Wait()
		if joined := strings.Join(all[0], "\n"); !strings.Contains(joined, `name="destination"`) || !strings.Contains(joined, `name="code"`) || !strings.Contains(joined, "429 ") {
			t.Error("the walk shows too little")
		}
		for i, userID := range who {
			for n := range all[0] {
				if all[i][n] != all[0][n] {
					t.Fatalf("%s, answer %d:\n%s\n-- %s:\n%s", userID, n, all[i][n], who[0], all[0][n])
				}
			}
		}
		if n := len(p.Phones.Asks()); n != 0 {
			t.Errorf("%d texts and calls to numbers that were only typed", n)
		}
	})
}

// walkHiddenPhones does what a stranger can do who guesses numbers.
func walkHiddenPhones(t *testing.T, p *kuncitest.Product, userID string) (answers []string) {
	t.Helper()
	b := p.Browser().StayingPut()
	do := func(path string, fields ...string) {
		form := make(map[string][]string)
		for i := 0; i < len(fields); i += 2 {
			form[fields[i]] = []string{fields[i+1]}
		}
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			page, err := b.Do(method, path, form)
			if err != nil {
				t.Error(err)
				return
			}
			answers = append(answers, shown(page, userID))
			path, form = "/reset/verify", nil
		}
	}
	if _, err := b.Do(http.MethodGet, "/reset", nil); err != nil {
		t.Error(err)
		return nil
	}
	do("/reset", "user_id", userID, "reason", "forgot")
	for _, kind := range []string{"kind:mobile_phone", "kind:office_phone"} {
		do("/reset/verify", "method", kind, "action", "send")
		do("/reset/verify", "method", kind, "destination", "my phone", "action", "send")
		do("/reset/verify", "method", kind, "destination", "0812 1111 2222", "action", "send")
		do("/reset/verify", "action", "resend")
		for range 4 {
			do("/reset/verify", "method", kind, "code", "12345678", "action", "verify")
		}
		do("/reset/verify", "action", "back")
	}
	do("/reset/verify", "method", "kind:mobile_phone", "action", "send")
	do("/reset/verify", "method", "kind:mobile_phone", "destination", "0812 1111 2222", "action", "send")
	for range 3 {
		do("/reset/verify", "method", "kind:mobile_phone", "code", "12345678", "action", "verify")
	}
	return answers
}

func TestAHiddenStatusLetsThoseInWhoTypeTheirOwnNumber(t *testing.T) {
	each(t, discreetPhones(), func(t *testing.T, p *kuncitest.Product) {
		n := 0
		for _, c := range []struct{ userID, kind, number, path string }{
			{"alain@contoso.com", "kind:mobile_phone", "0812 3456 7842", "/text"}, {"budi@contoso.com", "kind:office_phone", "(021) 555-0100", "/call"},
		} {
			b := p.Browser()
			b.Get("/reset").Want(http.StatusOK, "reset-identify")
			b.Post("/reset", "user_id", c.userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
			b.Post("/reset/verify", "method", c.kind, "action", "send").Want(http.StatusOK, "reset-verify")
			b.Post("/reset/verify", "method", c.kind, "destination", c.number, "action", "send").Want(http.StatusOK, "reset-verify")
			n++
			sent := p.Texts(t, n)[n-1]
			if sent.Path != c.path {
				t.Errorf("sent by %s", sent.Path)
			}
			b.Post("/reset/verify", "method", c.kind, "code", sent.Code, "action", "verify").Want(http.StatusOK, "reset-password")
			b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
			if password(t, p, c.userID, newPassword) != directory.OK {
				t.Errorf("%s: the password was not set", c.userID)
			}
		}
	})
}
