package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/provider/providertest"
)

const oidcPeople = office + `fitri@contoso.com,Fitri Handayani,,fitri@example.net,external,no,no
budi@contoso.com,Budi Santoso,,budi@example.net,external,no,yes
`

// oidcFile is an organization with a provider.
func oidcFile(op *providertest.Provider, more string) string {
	return kuncitest.Contoso + fmt.Sprintf(`identity_provider:
  name: Contoso ID
  issuer: %s
  client_id: %s
  client_secret_file: %s
  allowed_networks: [127.0.0.0/8]
%s
---
organization: fabrikam
name: Fabrikam
domains: [fabrikam.com]
identity_provider:
  name: Fabrikam ID
  issuer: %s
  client_id: kunci
  client_secret_file: %s
  allowed_networks: [127.0.0.0/8]
`, op.URL, providertest.ClientID, op.SecretFile, more, op.URL, op.SecretFile)
}

// oidcEach runs a walk on both databases beside a provider.
func oidcEach(t *testing.T, walk func(t *testing.T, p *kuncitest.Product, op *providertest.Provider)) {
	t.Helper()
	each(t, kuncitest.Options{Organization: kuncitest.Contoso, Accounts: oidcPeople}, func(t *testing.T, p *kuncitest.Product) {
		op := providertest.Start(t, p.Clock.Now)
		p.Apply(oidcFile(op, ""))
		walk(t, p, op)
		noSecret(t, p, providertest.ClientSecret)
	})
}

// oidcGo presses the button and gives where the browser is sent.
func oidcGo(t *testing.T, b *kuncitest.Browser, fields ...string) string {
	t.Helper()
	page := b.Post("/signin/provider", fields...).Want(http.StatusOK, "signin-provider")
	links := page.Links("http")
	if len(links) != 1 || page.Header.Get("Refresh") != "0; url="+links[0] {
		t.Fatalf("the page leads to %q, and by itself to %q", links, page.Header.Get("Refresh"))
	}
	return links[0]
}

// oidcSignIn types a user ID, goes to the provider and gives the page it leads to.
func oidcSignIn(t *testing.T, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	page := toPassword(t, b, userID)
	if !strings.Contains(page.Text(), "Masuk dengan Contoso ID") {
		t.Fatalf("there is no button:\n%s", page.Text())
	}
	return b.Get(oidcGo(t, b))
}

func oidcEvents(p *kuncitest.Product, kind audit.Kind) (all []audit.Record) {
	for _, e := range p.Events() {
		if e.Kind == kind {
			all = append(all, e)
		}
	}
	return all
}

// oidcBound are the events of accounts that got their identity.
func oidcBound(p *kuncitest.Product) []audit.Record {
	return slices.DeleteFunc(oidcEvents(p, audit.MethodAdded), func(e audit.Record) bool { return e.MethodKind != "identity_provider" })
}

func oidcPerson(userID string) map[string]any { return map[string]any{"preferred_username": userID} }

func TestOIDCSigningInAtTheProvider(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		// An organization without a provider, and nobody's domain, have no button.
		for _, userID := range []string{"nobody@nowhere.example"} {
			if page := toPassword(t, p.Browser(), userID); strings.Contains(page.Body, "/signin/provider") {
				t.Errorf("%s has a button", userID)
			}
		}
		// A user ID that nobody has is offered the same: the button tells nothing.
		oidcGo(t, func() *kuncitest.Browser { b := p.Browser(); toPassword(t, b, "nobody@contoso.com"); return b }())

		op.SignIn("sub-citra", oidcPerson("Citra@Contoso.com"))
		b := p.Browser()
		before := sessionOf(b)
		page := wantAt(t, oidcSignIn(t, b, "citra@contoso.com"), "/interrupt")
		if strings.Contains(page.Body, "code=") || sessionOf(b) == before {
			t.Error("the code is in the page, or the session is no new one")
		}
		if page := b.Get("/accounts"); !strings.Contains(page.Text(), "citra@contoso.com") {
			t.Errorf("the browser does not remember the account:\n%s", page.Text())
		}
		added, in := oidcBound(p), oidcEvents(p, audit.SignInSucceeded)
		if len(added) != 1 || added[0].TargetUserID != "citra@contoso.com" || len(in) != 1 || in[0].Detail["factor"] != "identity_provider" || in[0].TargetUserID != "citra@contoso.com" {
			t.Errorf("recorded: %+v, %+v", added, in)
		}
		// Again, and in another browser: it is the same identity.
		wantAt(t, oidcSignIn(t, p.Browser(), "citra@contoso.com"), "/interrupt")
		if n := len(oidcBound(p)); n != 1 {
			t.Errorf("bound %d times", n)
		}
		// The second factor is asked for, and what was asked for before is gone on to.
		_, shows := app(t, p, "alain@contoso.com")
		op.SignIn("sub-alain", map[string]any{"preferred_username": "alain@contoso.com", "amr": []string{"pwd", "mfa"}})
		b = p.Browser()
		wantAt(t, b.Get("/password"), "/signin")
		b.Post("/signin", "user_id", "alain@contoso.com", "next", "/password")
		wantAt(t, b.Get(oidcGo(t, b)), "/signin/verify")
		if isIn(b) {
			t.Error("in without the second factor")
		}
		wantAt(t, b.Post("/signin/verify", "next", "/password", "code", shows()), "/password")
		// A change of the password ends what the provider began.
		p.Clock.Advance(time.Minute)
		other := p.Browser()
		op.SignIn("sub-citra", oidcPerson("citra@contoso.com"))
		oidcSignIn(t, other, "citra@contoso.com")
		if !isIn(other) {
			t.Fatal("citra is not in")
		}
		p.Clock.Advance(time.Second)
		typed := p.Browser()
		signIn(t, typed, "citra@contoso.com", kuncitest.OldPassword)
		typed.Post("/password", "current_password", kuncitest.OldPassword, "new_password", "sembilan gajah menari pelan", "confirm_password", "sembilan gajah menari pelan")
		if isIn(other) {
			t.Error("a session that the provider began outlives a change of the password")
		}
	})
}

func TestOIDCWhoeverIsNotTheAccountStaysOut(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		refused := func(b *kuncitest.Browser, userID, code string) *kuncitest.Page {
			t.Helper()
			page := wantAt(t, oidcSignIn(t, b, userID), "/signin/password")
			if page.Alert() != code || !strings.Contains(page.Text(), "Contoso ID") && strings.HasPrefix(code, "provider-") {
				t.Errorf("alert %q, want %q:\n%s", page.Alert(), code, page.Text())
			}
			if isIn(b) {
				t.Errorf("in as somebody, after %s", code)
			}
			return page
		}
		b := p.Browser()
		op.SignIn("sub-1", oidcPerson("alain@contoso.com"))
		if page := refused(b, "citra@contoso.com", "provider-other"); page.Choices("again") == nil {
			t.Error("no other account can be chosen there")
		}
		// It asks who it is, and then the right one comes.
		toPassword(t, b, "alain@contoso.com")
		there := oidcGo(t, b, "again", "1")
		if !strings.Contains(there, "prompt=login") {
			t.Errorf("sent to %s", there)
		}
		wantAt(t, b.Get(there), "/security-info")
		// Nobody of this directory; of another organization, that has the same provider.
		for _, who := range []string{"zulu@contoso.com", "mallory@fabrikam.com", "alain@fabrikam.com", "alain"} {
			op.SignIn("sub-2", oidcPerson(who))
			refused(p.Browser(), "alain@contoso.com", "provider-unknown")
		}
		// The name was given to somebody else there; somebody took another's name.
		op.SignIn("sub-3", oidcPerson("alain@contoso.com"))
		refused(p.Browser(), "alain@contoso.com", "provider-taken")
		op.SignIn("sub-1", oidcPerson("citra@contoso.com"))
		refused(p.Browser(), "citra@contoso.com", "provider-taken")

		op.SignIn("sub-dedi", oidcPerson("dedi@contoso.com"))
		refused(p.Browser(), "dedi@contoso.com", "account-disabled")
		for range 10 {
			signIn(t, p.Browser(), "hana@contoso.com", "salah")
			signIn(t, p.Browser(), "mega@contoso.com", "salah sekali"+fmt.Sprint(len(p.Events())))
		}
		op.SignIn("sub-mega", oidcPerson("mega@contoso.com"))
		refused(p.Browser(), "mega@contoso.com", "signin-locked")
		p.Clock.Advance(2 * time.Minute)
		wantAt(t, oidcSignIn(t, p.Browser(), "mega@contoso.com"), "/password")

		reasons := make(map[string]int)
		for _, e := range oidcEvents(p, audit.SignInFailed) {
			if e.Org != "" && e.MethodKind == "identity_provider" {
				reasons[e.Reason+" "+e.Detail["why"]]++
			}
		}
		if reasons["provider-other "] != 1 || reasons["provider-unknown "] != 4 || reasons["provider-taken "] != 2 {
			t.Errorf("recorded: %v", reasons)
		}
	})
}

func TestOIDCWhatComesBackIsJudged(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		op.SignIn("sub-1", oidcPerson("alain@contoso.com"))
		b := p.Browser()
		toPassword(t, b, "alain@contoso.com")
		there := oidcGo(t, b)
		back := backFrom(t, there)
		// A mail scanner has no part in it, nor has somebody who was sent the address.
		for _, stranger := range []*kuncitest.Browser{p.Browser(), p.Browser().WithoutCookies()} {
			wantAt(t, stranger.Get(back), "/signin")
			if isIn(stranger) {
				t.Error("a stranger is in")
			}
		}
		if page, err := b.Do(http.MethodHead, back, nil); err != nil || page.Status != http.StatusMethodNotAllowed {
			t.Errorf("HEAD: %v, %v", page.Status, err)
		}
		// The address of another organization.
		wantAt(t, b.Clone().Get(strings.Replace(back, "/contoso?", "/nobody?", 1)), "/signin/password")
		wantAt(t, b.Get(back), "/security-info")
		// Once more in the same browser, and as somebody who forged the state.
		again := b.Clone()
		wantAt(t, again.Get(back), "/security-info")
		toPassword(t, b, "alain@contoso.com")
		oidcGo(t, b)
		if page := wantAt(t, b.Get(back), "/signin/password"); page.Alert() != "expired" {
			t.Errorf("an old answer: %q", page.Alert())
		}
		// Cancelled there; a token that is none; a provider that is down. The password works.
		for code, faults := range map[string]providertest.Faults{
			"provider-refused": {Answer: func(v url.Values) {
				v.Del("code")
				v.Set("error", "access_denied")
				v.Set("error_description", "<b>teks asing</b>")
			}},
			"provider-invalid":     {Claims: func(c map[string]any) { c["nonce"] = "another" }},
			"provider-unavailable": {Token: func(w http.ResponseWriter) bool { w.WriteHeader(http.StatusBadGateway); return true }},
		} {
			op.Be(faults)
			b := p.Browser()
			page := wantAt(t, oidcSignIn(t, b, "citra@contoso.com"), "/signin/password")
			if page.Alert() != code || strings.Contains(page.Body, "teks asing") {
				t.Errorf("alert %q, want %q", page.Alert(), code)
			}
			wantAt(t, b.Post("/signin/password", "password", kuncitest.OldPassword), "/interrupt")
		}
		op.Be(providertest.Faults{Down: true})
		p.Clock.Advance(25 * time.Hour)
		b = p.Browser()
		toPassword(t, b, "citra@contoso.com")
		page := b.Post("/signin/provider").Want(http.StatusServiceUnavailable, "signin-password")
		if page.Alert() != "provider-unavailable" || !strings.Contains(page.Text(), "Contoso ID sedang tidak menjawab") {
			t.Errorf("alert %q:\n%s", page.Alert(), page.Text())
		}
		wantAt(t, b.Post("/signin/password", "password", kuncitest.OldPassword), "/interrupt")
		// No address has a page say what it likes.
		toPassword(t, b, "citra@contoso.com")
		if page := b.Get("/signin/password?refused=busy"); page.Alert() != "" {
			t.Errorf("alert %q", page.Alert())
		}
	})
}

// backFrom asks the provider as a browser does and gives the address it sends
// back to.
func backFrom(t *testing.T, there string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Get(there)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	back, err := response.Location()
	if err != nil {
		t.Fatal(err)
	}
	return back.String()
}

// People whose password is kept elsewhere see and change their security info.
func TestOIDCForPeopleWithoutAPasswordHere(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		// Nobody asks budi for a new password that could not be set.
		op.SignIn("sub-budi", oidcPerson("budi@contoso.com"))
		wantAt(t, oidcSignIn(t, p.Browser(), "budi@contoso.com"), "/security-info")
		op.SignIn("sub-fitri", oidcPerson("fitri@contoso.com"))
		b := p.Browser()
		wantAt(t, oidcSignIn(t, b, "fitri@contoso.com"), "/security-info")
		// The provider did not say when it asked: it is asked again before a change.
		verify := wantAt(t, b.Post("/security-info/add", "kind", "recovery_code"), "/signin/verify")
		if verify.Choices("stepup") == nil || len(verify.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "name") == "password" })) > 0 {
			t.Fatalf("the page asks for something else:\n%s", verify.Text())
		}
		there := oidcGo(t, b, "stepup", "1", "next", "/security-info/add?kind=recovery_code")
		if !strings.Contains(there, "max_age=300") {
			t.Errorf("sent to %s", there)
		}
		// Somebody else is signed in there by now; then an old proof; then she is.
		op.SignIn("sub-alain", oidcPerson("alain@contoso.com"))
		if page := wantAt(t, b.Get(there), "/signin/verify"); page.Alert() != "provider-other" {
			t.Errorf("alert %q", page.Alert())
		}
		op.SignIn("sub-fitri", oidcPerson("fitri@contoso.com"))
		op.Be(providertest.Faults{Claims: func(c map[string]any) { c["auth_time"] = p.Clock.Now().Add(-time.Hour).Unix() }})
		if page := wantAt(t, b.Get(oidcGo(t, b, "stepup", "1")), "/signin/verify"); page.Alert() != "provider-old" {
			t.Errorf("alert %q", page.Alert())
		}
		op.Be(providertest.Faults{})
		wantAt(t, b.Get(oidcGo(t, b, "stepup", "1", "next", "/security-info/add?kind=recovery_code")), "/security-info/add")
		b.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add")
		// With a factor of her own, the provider alone renews nothing.
		p.Clock.Advance(11 * time.Minute)
		verify = wantAt(t, b.Post("/security-info/add", "kind", "authenticator_code"), "/signin/verify")
		if strings.Contains(verify.Body, "stepup") {
			t.Error("the provider replaces a second factor that it is not trusted for")
		}
		if page := b.Post("/signin/provider", "stepup", "1"); page.Name() == "signin-provider" {
			t.Error("and where it is asked for all the same")
		}
	})
}

func TestOIDCAProviderThatIsTrusted(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		p.Apply(oidcFile(op, "  second_factor: trust_amr"))
		_, shows := app(t, p, "adele@contoso.com")
		person := func(amr ...string) map[string]any {
			return map[string]any{"preferred_username": "adele@contoso.com", "amr": amr, "auth_time": p.Clock.Now().Unix()}
		}
		op.SignIn("sub-adele", person("pwd"))
		wantAt(t, oidcSignIn(t, p.Browser(), "adele@contoso.com"), "/signin/verify")
		op.SignIn("sub-adele", person("pwd", "mfa"))
		b := p.Browser()
		wantAt(t, oidcSignIn(t, b, "adele@contoso.com"), "/security-info")
		b.Get("/security-info").Want(http.StatusOK, "security-info")
		// What the provider proved is fresh for ten minutes, and can be renewed there.
		p.Clock.Advance(11 * time.Minute)
		wantAt(t, b.Post("/security-info/add", "kind", "recovery_code"), "/signin/verify")
		op.SignIn("sub-adele", map[string]any{"preferred_username": "adele@contoso.com", "amr": []string{"pwd"}})
		if page := wantAt(t, b.Get(oidcGo(t, b, "stepup", "1")), "/signin/verify"); page.Alert() != "method-not-allowed" {
			t.Errorf("a password there renews a second factor: %q", page.Alert())
		}
		op.SignIn("sub-adele", map[string]any{"preferred_username": "adele@contoso.com", "amr": []string{"mfa"}})
		wantAt(t, b.Get(oidcGo(t, b, "stepup", "1", "next", "/security-info/add?kind=recovery_code")), "/security-info/add")
		// The console wants a factor of Kunci's own.
		wantAt(t, b.Get("/console"), "/signin/verify")
		p.Clock.Advance(time.Minute)
		wantAt(t, b.Post("/signin/verify", "next", "/console", "code", shows()), "/console")
	})
}

// Somebody who left the directory and is made anew there is the same person at the
// provider, and keeps nobody else's identity from them.
func TestOIDCSomebodyWhoIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := people(t, s)
	p := kuncitest.Start(t, contosoAt(s, ""))
	op := providertest.Start(t, p.Clock.Now)
	o := contosoAt(s, "").Organization
	p.Apply(o + strings.TrimPrefix(strings.SplitN(oidcFile(op, ""), "\n---", 2)[0], kuncitest.Contoso))
	op.SignIn("sub-alain", oidcPerson("alain@contoso.com"))
	b := p.Browser()
	wantAt(t, oidcSignIn(t, b, "alain@contoso.com"), "/security-info")
	s.Remove(t, dn)
	s.AddPerson(t, "alain@contoso.com", kuncitest.OldPassword, nil)
	if isIn(b) {
		t.Error("the session of an account that left the directory goes on")
	}
	wantAt(t, oidcSignIn(t, p.Browser(), "alain@contoso.com"), "/interrupt")
}

// Organizations that have no provider have no part in this.
func TestOIDCWithoutAProvider(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, officeOptions())
	b := p.Browser()
	if page := toPassword(t, b, "alain@contoso.com"); strings.Contains(page.Body, "/signin/provider") {
		t.Error("there is a button")
	}
	if page := b.Post("/signin/provider"); page.Alert() != "not-found" {
		t.Errorf("alert %q at %s", page.Alert(), page.Path)
	}
	wantAt(t, b.Get("/signin/provider"), "/signin/password")
	wantAt(t, b.Get("/signin/provider/contoso?state=a&code=b"), "/signin/password")
	wantAt(t, p.Browser().Get("/signin/provider/contoso?state=a&code=b"), "/signin")
}

// An identity that was lost or is the wrong one is let go by whoever may, for
// their own organization's people, and what it opened ends.
func TestOIDCAnAdministratorLetsAnIdentityGo(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		op.SignIn("sub-old", oidcPerson("citra@contoso.com"))
		old := p.Browser()
		oidcSignIn(t, old, "citra@contoso.com")
		op.SignIn("sub-new", oidcPerson("citra@contoso.com"))
		if page := oidcSignIn(t, p.Browser(), "citra@contoso.com"); page.Alert() != "provider-taken" {
			t.Fatalf("alert %q", page.Alert())
		}
		_, shows := app(t, p, "adele@contoso.com")
		desk := p.Browser()
		signIn(t, desk, "adele@contoso.com", kuncitest.OldPassword)
		wantAt(t, desk.Post("/signin/verify", "code", shows()), "/security-info")
		address := "/console/people/" + find(t, p, "citra@contoso.com").Account.Entry.Key
		if page := desk.Get(address).Want(http.StatusOK, "console-person"); !slices.Contains(page.Choices("act"), "unlink") {
			t.Fatalf("acts %q", page.Choices("act"))
		}
		if page := desk.Get("/console/people/" + find(t, p, "alain@contoso.com").Account.Entry.Key); slices.Contains(page.Choices("act"), "unlink") {
			t.Error("somebody who is linked to nothing can be unlinked")
		}
		desk.Post(address, "act", "unlink").Want(http.StatusOK, "console-person")
		if isIn(old) {
			t.Error("what the old identity opened is open")
		}
		wantAt(t, oidcSignIn(t, p.Browser(), "citra@contoso.com"), "/interrupt")
		op.SignIn("sub-old", oidcPerson("citra@contoso.com"))
		if page := oidcSignIn(t, p.Browser(), "citra@contoso.com"); page.Alert() != "provider-taken" {
			t.Errorf("the old identity opens the account again: %q", page.Alert())
		}
		if err := p.App.Unlink(t.Context(), find(t, p, "citra@contoso.com")); err != nil {
			t.Error(err)
		}
		if err := p.App.Unlink(t.Context(), find(t, p, "citra@contoso.com")); err == nil {
			t.Error("unlinked twice")
		}
		n := 0
		for _, e := range oidcEvents(p, audit.MethodDeleted) {
			if e.MethodKind == "identity_provider" && e.TargetUserID == "citra@contoso.com" {
				n++
			}
		}
		if n != 2 {
			t.Errorf("recorded %d times", n)
		}
	})
}
