package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/console"
	"kunci.dev/kunci/internal/web/portal"
)

// open are the addresses that strangers get to; every other one is somebody's, and a
// new one is until it is written down here.
var open = []string{"/", "/accounts", "/brand/", "/help", "/logo/", "/reset", "/signin", "/signout", "/unsupported-browser", "/push"}

func isOpen(path string) bool {
	for _, begins := range open {
		if path == begins || begins != "/" && (strings.HasPrefix(path, begins+"/") || strings.HasSuffix(begins, "/") && strings.HasPrefix(path, begins)) {
			return true
		}
	}
	return false
}

// Whoever has not come all the way in gets to no page that is somebody's and does
// nothing there: with the right password and no second factor, with a reset of which
// every gate was passed, with a password that has to be changed, with what was planted
// under another name, or with nothing. The addresses come from the router.
func TestHalfTheWayInOpensNothing(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: consoleOrganization, Accounts: consolePeople})
	p.Import("contoso", "user_id,password,email,must_change\nmega@contoso.com,"+kuncitest.OldPassword+",mega@example.net,yes\n")
	_, _ = app(t, p, "owner@contoso.com")
	partial := p.Browser()
	wantAt(t, signIn(t, partial, "owner@contoso.com", kuncitest.OldPassword), "/signin/verify")
	proved := p.Browser()
	toCode(t, proved, "alain@contoso.com")
	proved.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
	mustChange := p.Browser()
	wantAt(t, signIn(t, mustChange, "mega@contoso.com", kuncitest.OldPassword), "/password")
	crossed := p.Browser() // the token of one sort under the name of another
	for _, c := range partial.Cookies() {
		crossed.SetCookie("kunci-reset", c.Value)
	}
	for _, c := range proved.Cookies() {
		if c.Name == "kunci-reset" {
			crossed.SetCookie("kunci-session", c.Value)
		}
	}
	key := keyOf(t, p, "alain@contoso.com")
	happened := func() (n int) {
		for _, kind := range []audit.Kind{audit.MethodAdded, audit.MethodDeleted, audit.AccountUnlocked, audit.PolicyChanged, audit.AdministratorChanged,
			audit.ExportCreated, audit.TapIssued, audit.PasswordChanged, audit.SessionRevoked} {
			n += count(p, kind)
		}
		return n
	}
	before := happened()
	var patterns []string
	for _, r := range (&portal.Portal{}).Routes() {
		patterns = append(patterns, r.Pattern)
	}
	for _, r := range (&console.Console{}).Routes() {
		patterns = append(patterns, r.Pattern)
	}
	closed := 0
	for _, pattern := range patterns {
		verb, path, _ := strings.Cut(pattern, " ")
		if isOpen(path) {
			continue
		}
		closed++
		at := strings.NewReplacer("{key}", key, "{id}", mailOf(t, p, "alain@contoso.com"), "{name}", "sms.reset", "{language}", "en").Replace(path)
		for who, b := range map[string]*kuncitest.Browser{"a stranger": p.Browser(), "a password alone": partial, "a reset": proved, "a password to be changed": mustChange, "crossed tokens": crossed} {
			form := url.Values(nil)
			if verb == http.MethodPost {
				form = url.Values{"act": {"issue_pass"}, "minutes": {"60"}, "kind": {"recovery_code"}, "action": {"skip"}, "format": {"csv"}, "new_password": {newPassword}, "confirm_password": {newPassword}}
			}
			page, err := b.Clone().StayingPut().Do(verb, at, form)
			if err != nil {
				t.Fatal(err)
			}
			to := page.Header.Get("Location")
			sent := page.Status == http.StatusSeeOther && (strings.HasPrefix(to, "/signin") || who == "a password to be changed" && to == "/password" || verb == http.MethodGet && to == "/security-info")
			own := who == "a password to be changed" && path == "/password"
			if !sent && !own && page.Status != http.StatusNotFound && page.Status != http.StatusForbidden && page.Status != http.StatusUnauthorized {
				t.Errorf("%s at %s %s: %d %q %q", who, verb, path, page.Status, page.Name(), to)
			}
		}
	}
	if closed < 50 {
		t.Errorf("only %d addresses are somebody's", closed)
	}
	if n := happened() - before; n != 0 {
		t.Errorf("%d things happened", n)
	}
	if got := password(t, p, "owner@contoso.com", kuncitest.OldPassword); got != directory.OK {
		t.Errorf("the owner's password: %s", got)
	}
}
