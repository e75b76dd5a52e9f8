package kuncitest_test

import (
	"encoding/base32"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// office is one person for each situation of signing in. Nobody of it is
// registered but by what the file says.
const office = `user_id,display_name,password,email,password_source,disabled,must_change
alain@contoso.com,Alain Dupont,teapot harbour violin,alain@example.net,managed,no,no
citra@contoso.com,Citra Lestari,teapot harbour violin,,managed,no,no
dedi@contoso.com,Dedi Kusuma,teapot harbour violin,dedi@example.net,managed,yes,no
hana@contoso.com,Hana Wijaya,,hana@example.net,managed,no,no
mega@contoso.com,Mega Putri,teapot harbour violin,mega@example.net,managed,no,yes
adele@contoso.com,Adele Vance,teapot harbour violin,adele@example.net,managed,no,no
`

func officeOptions() kuncitest.Options {
	return kuncitest.Options{Organization: kuncitest.Contoso, Accounts: office}
}

// toPassword walks to the password's page.
func toPassword(t *testing.T, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	b.Get("/signin").Want(http.StatusOK, "signin")
	return b.Post("/signin", "user_id", userID).Want(http.StatusOK, "signin-password")
}

// signIn types user ID and password and gives the page it leads to.
func signIn(t *testing.T, b *kuncitest.Browser, userID, pw string) *kuncitest.Page {
	t.Helper()
	toPassword(t, b, userID)
	return b.Post("/signin/password", "password", pw)
}

// wantAt fails unless a walk came to a path.
func wantAt(t *testing.T, page *kuncitest.Page, path string) *kuncitest.Page {
	t.Helper()
	if page.Path != path {
		t.Fatalf("at %s (%d %q, alert %q), want %s\n%s", page.Path, page.Status, page.Name(), page.Alert(), path, page.Text())
	}
	return page
}

// app gives somebody an authenticator app and what it shows from now on.
func app(t *testing.T, p *kuncitest.Product, userID string) (m method.Method, shows func() string) {
	t.Helper()
	o := p.Organization()
	a, err := p.App.Accounts.Find(t.Context(), o, userID)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := method.NewSeed()
	if err != nil {
		t.Fatal(err)
	}
	err = p.App.DB.Write(t.Context(), func(tx *store.Tx) (err error) {
		m, err = p.App.Methods.Add(t.Context(), tx, method.Method{
			OrgID: o.ID, AccountID: a.ID, Kind: method.AuthenticatorCode, Name: "Ponsel", Secret: seed, Proved: true, ProvedBy: method.ByPerson,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m, func() string {
		code, err := totp.GenerateCode(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed), p.Clock.Now())
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
}

func sessionOf(b *kuncitest.Browser) string {
	for _, c := range b.Cookies() {
		if c.Name == "kunci-session" {
			return c.Value
		}
	}
	return ""
}

// with gives a browser that has nothing but a session's cookie.
func with(p *kuncitest.Product, token string) *kuncitest.Browser {
	b := p.Browser()
	b.SetCookie("kunci-session", token)
	return b
}

func isIn(b *kuncitest.Browser) bool { return b.Get("/password").Path == "/password" }

func TestSigningInAndOut(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		wantAt(t, b.Get("/"), "/signin").Want(http.StatusOK, "signin")
		wantAt(t, b.Get("/password"), "/signin")
		page := toPassword(t, b, " Alain@Contoso.com")
		if !page.Has("/reset") || !strings.Contains(page.Text(), "alain@contoso.com") || !strings.Contains(page.Text(), "Contoso") {
			t.Errorf("the password's page:\n%s", page.Text())
		}
		if typed, _ := b.Get("/reset").Field("user_id"); typed != "alain@contoso.com" {
			t.Errorf("who forgot the password types the user ID again: %q", typed)
		}
		if user, ok := page.Field("username"); !ok || user != "alain@contoso.com" {
			t.Errorf("a password manager finds %q", user)
		}
		wrong := b.Post("/signin/password", "password", "not this one").Want(http.StatusUnprocessableEntity, "signin-password")
		if wrong.Alert() != "signin-wrong" || strings.Contains(wrong.Body, "not this one") {
			t.Errorf("alert %q; it repeats what was typed: %v", wrong.Alert(), strings.Contains(wrong.Body, "not this one"))
		}
		wantAt(t, b.Post("/signin/password", "password", kuncitest.OldPassword), "/security-info")
		wantAt(t, b.Get("/"), "/security-info")
		token := sessionOf(b)
		if token == "" || !isIn(b) {
			t.Fatal("not signed in")
		}
		wantAt(t, b.Get("/signin/password"), "/signin") // the user ID is not kept any longer than needed
		page = b.Post("/signout")
		wantAt(t, page, "/signin")
		if isIn(b) || isIn(with(p, token)) || isIn(with(p, sessionOf(b))) {
			t.Error("signed out, and in")
		}
		wantAt(t, b.Post("/signout"), "/signin")
		for _, kind := range []audit.Kind{audit.SignInFailed, audit.SignInSucceeded, audit.SessionRevoked} {
			if count(p, kind) != 1 {
				t.Errorf("%d events %s", count(p, kind), kind)
			}
		}
		noSecret(t, p, kuncitest.OldPassword, "not this one", token)
	})
}

func TestTheSessionCookie(t *testing.T) {
	p := kuncitest.Start(t, officeOptions())
	b := p.Browser()
	toPassword(t, b, "alain@contoso.com")
	header := map[string]string{"Origin": p.URL}
	for _, c := range b.Cookies() {
		header["Cookie"] += c.Name + "=" + c.Value + "; "
		if strings.Contains(c.Value, "alain") {
			t.Errorf("%s holds the user ID", c.Name)
		}
	}
	answer, _ := request(t, "POST", p.URL+"/signin/password", url.Values{"password": {kuncitest.OldPassword}}.Encode(), header)
	var found *http.Cookie
	for _, c := range answer.Cookies() {
		if c.Name == "kunci-session" {
			found = c
		}
	}
	if answer.StatusCode != http.StatusSeeOther || found == nil {
		t.Fatalf("%d, cookies %v", answer.StatusCode, answer.Cookies())
	}
	if !found.HttpOnly || found.SameSite != http.SameSiteLaxMode || found.Path != "/" || found.MaxAge != 0 || !found.Expires.IsZero() || len(found.Value) < 22 {
		t.Errorf("%+v", found)
	}
	answer, _ = request(t, "POST", p.URL+"/signout", "a=b", map[string]string{"Origin": p.URL, "Cookie": "kunci-session=" + found.Value})
	if got := answer.Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data is %q", got)
	}
}

// A wrong password is one answer, whoever it was typed for, up to and including
// the lock that comes after ten of them.
func TestSignInDoesNotTellWhoExists(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		who := []string{"alain@contoso.com", "alaim@contoso.com", "dedi@contoso.com", "hana@contoso.com", "mega@contoso.com", "alain@fabrikam.com"}
		browsers := make([]*kuncitest.Browser, len(who))
		for i := range who {
			browsers[i] = p.Browser()
		}
		for n := range 14 {
			want := ""
			for i, userID := range who {
				page := signIn(t, browsers[i], userID, fmt.Sprintf("wrong %d", n-n/12)) // the last ones repeat themselves
				body := supportCode(strings.ReplaceAll(page.Body, userID, "USER"))
				got := fmt.Sprintf("%d %s %s\n%s", page.Status, page.Alert(), page.Header.Get("Retry-After"), body)
				if i == 0 {
					want = got
				}
				if got != want {
					t.Errorf("try %d of %s:\n%s\n--- and of %s:\n%s", n, userID, got, who[0], want)
				}
			}
			code := "422 signin-wrong "
			if n >= 9 { // the one that locks says so
				code = "429 signin-locked 60"
			}
			if !strings.HasPrefix(want, code+"\n") {
				t.Fatalf("try %d: %.60s", n, want)
			}
		}
		p.Clock.Advance(61 * time.Second)
		for n, wait := range []string{"120", "120"} {
			for i, userID := range who {
				page := signIn(t, browsers[i], userID, fmt.Sprintf("another wrong %d", n))
				if got := page.Header.Get("Retry-After"); got != wait {
					t.Errorf("%s waits %q, want %q", userID, got, wait)
				}
			}
		}
		if got := count(p, audit.SignInLocked); got != 2*len(who) {
			t.Errorf("%d locks recorded, want %d", got, 2*len(who))
		}
		noSecret(t, p, "alaim@contoso.com", "alain@fabrikam.com", "wrong 3")
	})
}

func TestWhatIsSaidOnlyAfterTheRightPassword(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		page := signIn(t, b, "dedi@contoso.com", kuncitest.OldPassword).Want(http.StatusUnprocessableEntity, "signin-password")
		if page.Alert() != "account-disabled" || sessionOf(b) != "" {
			t.Errorf("alert %q, session %q", page.Alert(), sessionOf(b))
		}
		wantAt(t, signIn(t, b, "mega@contoso.com", kuncitest.OldPassword), "/password").Want(http.StatusOK, "password")
		for _, path := range []string{"/", "/security-info", "/interrupt"} {
			if got := b.Get(path).Path; got != "/password" && got != "/security-info" || path == "/interrupt" && got != "/password" {
				t.Errorf("%s leads to %s before the password is changed", path, got)
			}
		}
		// Proving it again is no change of it.
		b.Post("/signin/verify", "password", kuncitest.OldPassword)
		wantAt(t, b.Get("/interrupt"), "/password")
		page = b.Post("/password", "current_password", kuncitest.OldPassword, "new_password", newPassword, "confirm_password", newPassword)
		wantAt(t, page, "/password").Want(http.StatusOK, "password")
		if page.Alert() != "" || !page.Has("/security-info") {
			t.Errorf("alert %q\n%s", page.Alert(), page.Text())
		}
		wantAt(t, b.Get("/interrupt"), "/security-info")
	})
}

func TestASecondFactorIsAskedFor(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		_, shows := app(t, p, "alain@contoso.com")
		b := p.Browser()
		page := wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/signin/verify").Want(http.StatusOK, "signin-verify")
		half := sessionOf(b)
		for _, path := range []string{"/password", "/interrupt"} {
			wantAt(t, b.Get(path), "/signin/verify")
		}
		wantAt(t, b.Get("/"), "/signin")
		id, _ := page.Field("method")
		wrong := b.Post("/signin/verify", "method", id, "code", "000000").Want(http.StatusUnprocessableEntity, "signin-verify")
		if wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		for code, want := range map[string]string{"": "required", "12": "code-format"} {
			if page := b.Post("/signin/verify", "method", id, "code", code).Want(http.StatusUnprocessableEntity, "signin-verify"); page.Alert() != want {
				t.Errorf("%q: alert %q", code, page.Alert())
			}
		}
		if page := b.Post("/signin/verify", "password", kuncitest.OldPassword); page.Name() != "signin-verify" || page.Alert() == "" {
			t.Errorf("the password stood in for the factor: %s", page.Path)
		}
		code := shows()
		wantAt(t, b.Post("/signin/verify", "method", id, "code", code), "/security-info")
		if isIn(with(p, half)) || !isIn(b) {
			t.Error("the token from before the factor lives, or the new one does not")
		}
		thief := p.Browser()
		signIn(t, thief, "alain@contoso.com", kuncitest.OldPassword)
		if page := thief.Post("/signin/verify", "code", code); page.Alert() != "code-used" || isIn(thief) {
			t.Errorf("a code was used twice: alert %q", page.Alert())
		}
		// A session that waits too long for its factor is over.
		p.Clock.Advance(16 * time.Minute)
		wantAt(t, thief.Post("/signin/verify", "code", shows()), "/signin")
		noSecret(t, p, code, half)
	})
}

func TestOneOfSeveralFactorsIsChosen(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		first, _ := app(t, p, "alain@contoso.com")
		second, shows := app(t, p, "alain@contoso.com")
		b := p.Browser()
		page := signIn(t, b, "alain@contoso.com", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
		if id, _ := page.Field("method"); id != first.ID {
			t.Errorf("offered first: %s", id)
		}
		all := b.Get("/signin/verify?other&next=/password").Want(http.StatusOK, "signin-verify").Choices("method")
		if len(all) != 2 {
			t.Fatalf("choices %v", all)
		}
		page = b.Post("/signin/verify", "method", second.ID, "action", "send", "next", "/password").Want(http.StatusOK, "signin-verify")
		if id, _ := page.Field("method"); id != second.ID {
			t.Errorf("chosen: %s", id)
		}
		wantAt(t, b.Post("/signin/verify", "method", second.ID, "code", shows(), "next", "/password"), "/password")
	})
}

func TestAStaleProofIsRenewed(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/security-info")
		before := sessionOf(b)
		p.Clock.Advance(20 * time.Minute)
		page := b.Get("/signin/verify?next=/security-info/add").Want(http.StatusOK, "signin-verify")
		if _, ok := page.Field("password"); !ok {
			t.Fatalf("no password is asked for:\n%s", page.Text())
		}
		if page = b.Post("/signin/verify", "password", "wrong", "next", "/security-info/add"); page.Alert() != "password-wrong" || page.Status != http.StatusUnprocessableEntity {
			t.Errorf("%d, alert %q", page.Status, page.Alert())
		}
		wantAt(t, b.Post("/signin/verify", "password", kuncitest.OldPassword, "next", "/security-info/add"), "/security-info/add")
		if sessionOf(b) == before || isIn(with(p, before)) {
			t.Error("the token was not replaced")
		}
		_, shows := app(t, p, "alain@contoso.com")
		if page = b.Get("/signin/verify"); strings.Contains(page.Want(http.StatusOK, "signin-verify").Body, "verify?other") {
			t.Error("one factor, and another is offered")
		}
		if page = b.Post("/signin/verify", "password", kuncitest.OldPassword); page.Status != http.StatusUnprocessableEntity {
			t.Errorf("the password is enough where there is a factor: %d %s", page.Status, page.Path)
		}
		for _, next := range []string{"https://evil.example", "//evil.example", "/security-info/../x", "/signout"} {
			p.Clock.Advance(30 * time.Second)
			wantAt(t, b.Post("/signin/verify", "code", shows(), "next", next), "/security-info")
		}
	})
}

func TestThePickerOfABrowser(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		wantAt(t, b.Get("/accounts"), "/signin")
		signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
		first := sessionOf(b)
		p.Clock.Advance(time.Second)
		signIn(t, b, "adele@contoso.com", kuncitest.OldPassword)
		if isIn(with(p, first)) {
			t.Error("the token from before the second account lives")
		}
		page := b.Get("/accounts").Want(http.StatusOK, "accounts")
		ids := page.Choices("account")
		if len(ids) != 2 || !strings.Contains(page.Text(), "alain@contoso.com") || strings.Contains(page.Body, "value=\"alain") {
			t.Fatalf("%v\n%s", ids, page.Text())
		}
		wantAt(t, b.Post("/accounts", "other", "yes"), "/signin")
		wantAt(t, b.Post("/accounts", "account", ids[1]), "/security-info")
		if page = b.Get("/password"); !strings.Contains(page.Text(), "alain@contoso.com") {
			t.Errorf("chosen, and not the current one:\n%s", page.Text())
		}
		stranger := p.Browser()
		signIn(t, stranger, "citra@contoso.com", kuncitest.OldPassword)
		wantAt(t, stranger.Post("/accounts", "account", ids[0]), "/accounts")
		wantAt(t, stranger.Post("/accounts", "forget", ids[0]), "/accounts")
		b.Post("/signout")
		page = b.Get("/signin").Want(http.StatusOK, "signin")
		if !page.Has("/accounts") {
			t.Error("no way to the accounts of the browser")
		}
		page = wantAt(t, b.Post("/accounts", "account", ids[1]), "/signin/password")
		if !strings.Contains(page.Text(), "alain@contoso.com") {
			t.Errorf("the password of whom?\n%s", page.Text())
		}
		wantAt(t, b.Post("/accounts", "forget", ids[1]), "/accounts")
		if ids = b.Get("/accounts").Choices("account"); len(ids) != 1 {
			t.Errorf("after forgetting one: %v", ids)
		}
		wantAt(t, b.Post("/accounts", "forget", ids[0]), "/signin")
		if isIn(b) {
			t.Error("forgotten, and signed in")
		}
	})
}

func TestRegistrationIsAskedForAtSignIn(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		for n := range 4 {
			b := p.Browser()
			page := wantAt(t, signIn(t, b, "citra@contoso.com", kuncitest.OldPassword), "/interrupt").Want(http.StatusOK, "interrupt")
			want := []string{"register", "skip"}
			if n == 3 {
				want = want[:1]
			}
			if got := page.Choices("action"); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("sign-in %d: actions %v, want %v", n+1, got, want)
			}
			if n == 3 {
				if page = b.Post("/interrupt", "action", "skip").Want(http.StatusUnprocessableEntity, "interrupt"); page.Alert() != "register-now" {
					t.Errorf("alert %q", page.Alert())
				}
				wantAt(t, b.Post("/interrupt", "action", "register"), "/security-info/add")
				break
			}
			for range 3 { // sent again and again, it is one
				wantAt(t, b.Post("/interrupt", "action", "skip"), "/security-info")
			}
			wantAt(t, b.Get("/interrupt"), "/security-info")
		}
		if n := count(p, audit.RegistrationSkipped); n != 3 {
			t.Errorf("%d skips recorded", n)
		}
		// Somebody whose methods are enough is registered, and asked again later on.
		b := p.Browser()
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/security-info")
		if n := count(p, audit.RegistrationCompleted); n != 1 {
			t.Errorf("%d registrations recorded", n)
		}
		p.Clock.Advance(180 * 24 * time.Hour)
		page := wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/interrupt").Want(http.StatusOK, "interrupt")
		if got := page.Choices("action"); fmt.Sprint(got) != "[register looks_good]" || !strings.Contains(page.Text(), "a…@e…") || strings.Contains(page.Text(), "alain@example.net") {
			t.Errorf("actions %v\n%s", got, page.Text())
		}
		wantAt(t, b.Post("/interrupt", "action", "looks_good"), "/security-info")
		wantAt(t, signIn(t, b, "alain@contoso.com", kuncitest.OldPassword), "/security-info")
		if n := count(p, audit.RegistrationReconfirmed); n != 1 {
			t.Errorf("%d confirmations recorded", n)
		}
	})
}

// Somebody who is asked to register while signing in does so, is not asked again,
// and is asked for what they registered at the next sign-in.
func TestFromTheInterruptToTheSecondFactor(t *testing.T) {
	each(t, officeOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		wantAt(t, signIn(t, b, "citra@contoso.com", kuncitest.OldPassword), "/interrupt")
		wantAt(t, b.Post("/interrupt", "action", "register"), "/security-info/add").Want(http.StatusOK, "security-info-add")
		secret := secretOf(t, b.Post("/security-info/add", "kind", "authenticator_code").Want(http.StatusOK, "security-info-add"))
		shows := func() string {
			code, err := totp.GenerateCode(secret, p.Clock.Now())
			if err != nil {
				t.Fatal(err)
			}
			return code
		}
		wantAt(t, b.Post("/security-info/add", "kind", "authenticator_code", "code", shows()), "/security-info").Want(http.StatusOK, "security-info")
		wantAt(t, b.Get("/interrupt"), "/security-info")
		b.Post("/signout")
		p.Clock.Advance(time.Minute)
		wantAt(t, signIn(t, b, "citra@contoso.com", kuncitest.OldPassword), "/signin/verify")
		wantAt(t, b.Post("/signin/verify", "code", shows()), "/security-info").Want(http.StatusOK, "security-info")
		// A proof that is too old is renewed on the way, and the way goes on.
		p.Clock.Advance(11 * time.Minute)
		page := wantAt(t, b.Get("/security-info/add?kind=email"), "/signin/verify").Want(http.StatusOK, "signin-verify")
		next, _ := page.Field("next")
		wantAt(t, b.Post("/signin/verify", "code", shows(), "next", next), "/security-info/add").Want(http.StatusOK, "security-info-add")
	})
}
