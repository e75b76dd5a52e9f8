package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// nearly are texts that are nearly a token: cut at every length, longer, in other
// letters, in the other alphabet of base64, and with a last character that decodes
// to the same bytes.
func nearly(token string) []string {
	all := []string{token + "A", token + "=", token + "==", "A" + token, strings.ToUpper(token), strings.ToLower(token), token + token, token[1:], " " + token + "%00",
		strings.NewReplacer("-", "+", "_", "/").Replace(token), token + ".", token + "%", "*", "%25", "_", "null", "undefined", "0"}
	for n := range len(token) {
		if n%3 == 0 || n > len(token)-3 {
			all = append(all, token[:n])
		}
	}
	last := token[len(token)-1]
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567abcdefghijklmnopqrstuvwxyz0189-_") {
		if c != last {
			all = append(all, token[:len(token)-1]+string(c))
		}
	}
	var other []string
	for _, one := range all {
		if one != token {
			other = append(other, one)
		}
	}
	return other
}

// A token is one text, and each opens one sort of door.
func TestATokenIsOneText(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: consoleOrganization, Accounts: consolePeople})
	me := p.Browser()
	signIn(t, me, "citra@contoso.com", kuncitest.OldPassword)
	session := sessionOf(me)
	flow := ""
	person := p.Browser()
	toCode(t, person, "alain@contoso.com")
	person.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
	for _, c := range person.Cookies() {
		if c.Name == "kunci-reset" {
			flow = c.Value
		}
	}
	mine := signedIn(t, p, "eko@contoso.com", "")
	mine.Post("/security-info/add", "kind", "recovery_code") // of which a notice tells
	dispute := ""
	until(t, "a notice with a link", func() bool {
		for _, m := range p.Mail.Mails() {
			if _, after, ok := strings.Cut(m.Parse(t).Text, "/reset/dispute/"); ok {
				dispute = strings.Fields(after)[0]
			}
		}
		return dispute != ""
	})
	c := newProgram(t, p, "contoso", org.Owner)
	right := c.key
	if session == "" || flow == "" {
		t.Fatal("no token")
	}
	isSession := func(token string) bool { return isIn(with(p, token)) }
	isFlow := func(token string) bool {
		b := p.Browser()
		b.SetCookie("kunci-reset", token)
		return strings.HasPrefix(b.Get("/reset/password").Name(), "reset-password")
	}
	isDispute := func(token string) bool {
		return p.Browser().Get("/reset/dispute/"+url.PathEscape(token)).Name() == "reset-dispute"
	}
	isKey := func(token string) bool {
		c.key = token
		return c.do(http.MethodGet, api+"/people", "").status == http.StatusOK
	}
	for name, test := range map[string]struct {
		token string
		opens func(string) bool
	}{"session": {session, isSession}, "reset": {flow, isFlow}, "dispute": {dispute, isDispute}, "key": {right, isKey}} {
		if !test.opens(test.token) {
			t.Fatalf("the %s itself opens nothing", name)
		}
		for _, token := range append(nearly(test.token), session, flow, dispute, right, right[strings.LastIndex(right, "_")+1:]) {
			if token == test.token || strings.ContainsAny(token, " \x00\r\n") {
				continue
			}
			if test.opens(token) {
				t.Errorf("%.60q is a %s", token, name)
			}
		}
	}
	// A key is sent in one place, which no log and no Referer keeps.
	c.key = ""
	for _, query := range []string{"access_token", "api_key", "key", "token", "authorization"} {
		if got := c.do(http.MethodGet, api+"/people?"+query+"="+right, ""); got.status != http.StatusUnauthorized {
			t.Errorf("a key in the address as %s: %d", query, got.status)
		}
	}
	for _, header := range [][2]string{{"X-API-Key", right}, {"Cookie", "kunci-session=" + right}, {"Cookie", "kunci-session=" + session}, {"Authorization", "Basic " + right}, {"Authorization", "bearer: " + right}, {"Proxy-Authorization", "Bearer " + right}} {
		if got := c.do(http.MethodGet, api+"/people", "", header[0], header[1]); got.status != http.StatusUnauthorized {
			t.Errorf("a key in %s: %d", header[0], got.status)
		}
	}
	noSecret(t, p, session, flow, dispute, right)
}

// What is asked for one thing proves nothing else: a code that a caller reads out to
// the helpdesk passes no gate, and the code of a reset verifies no caller.
func TestACallersCodeResetsNothing(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		desk := atDesk(t, p, "helpdesk@contoso.com", true)
		address := "/console/people/" + keyOf(t, p, "alain@contoso.com")
		desk.Post(address, "act", "send_code", "method", mailOf(t, p, "alain@contoso.com")).Want(http.StatusOK, "console-person")
		called := p.Code(1)
		stranger := p.Browser()
		toCode(t, stranger, "alain@contoso.com")
		forReset := p.Code(2)
		if called == forReset {
			t.Fatal("both are one code")
		}
		if page := stranger.Post("/reset/verify", "code", called, "action", "verify"); page.Alert() != "code-wrong" {
			t.Errorf("a caller's code in a reset: %d %q", page.Status, page.Alert())
		}
		if page := desk.Post(address, "act", "verify_code", "code", forReset); page.Alert() != "code-wrong" {
			t.Errorf("the code of a reset at the helpdesk: %d %q", page.Status, page.Alert())
		}
		if n := count(p, audit.ResetGatePassed); n != 0 {
			t.Errorf("%d gates were passed", n)
		}
		stranger.Post("/reset/verify", "code", forReset, "action", "verify").Want(http.StatusOK, "reset-password")
	})
}

// Where a code goes is what is stored, whatever else a form says; a field that stands
// twice, or as a list, is refused before anything is sent.
func TestNobodySaysWhereACodeGoes(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		id := choose.Choices("method")[0]
		for _, form := range []url.Values{
			{"method": {id, id}, "action": {"send"}}, {"method[]": {id}, "action": {"send"}}, {"method": {id}, "action": {"send", "send"}}, {"method": {id + "," + id}, "action": {"send"}},
			{"method": {id}, "action": {"send"}, "destination": {"a@evil.example", "alain@example.net"}}, {"method": {id}, "action": {"send"}, "destination[]": {"a@evil.example"}},
			{"method": {mailOf(t, p, "hana@contoso.com")}, "action": {"send"}}, {"method": {id + "\r\nBcc: a@evil.example"}, "action": {"send"}},
		} {
			page, err := b.Do(http.MethodPost, "/reset/verify", form)
			if err != nil || page.Status < http.StatusBadRequest {
				t.Errorf("%v: %v %v", form, page.Status, err)
			}
		}
		page := b.Post("/reset/verify?email=a@evil.example&method=x&destination=a@evil.example", "method", id, "action", "send", "destination", "a@evil.example", "email", "a@evil.example",
			"to", "a@evil.example", "value", "a@evil.example", "phone", "+628120000000", "user_id", "hana@contoso.com", "account", "x", "gate", "2", "state", "passed", "passed", "true")
		page.Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify", "user_id", "hana@contoso.com", "method", id).Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword, "user_id", "hana@contoso.com", "account", "x").Want(http.StatusOK, "reset-done")
		for _, m := range p.Mail.Wait(t, 2) {
			if m.To != "alain@example.net" {
				t.Errorf("a mail to %s", m.To)
			}
		}
		if n := count(p, audit.ResetCompleted); n != 1 {
			t.Errorf("%d resets", n)
		}
		for _, e := range p.Events() {
			if e.Kind == audit.ResetCompleted && e.TargetUserID != "alain@contoso.com" {
				t.Errorf("of %s", e.TargetUserID)
			}
		}
	})
}
