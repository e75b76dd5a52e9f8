package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/provider/providertest"
)

// Whoever came from the provider is told that they may still be in there, and can
// sign out there too; nobody else is sent anywhere.
func TestOIDCSigningOutThereToo(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		op.SignIn("sub-citra", oidcPerson("citra@contoso.com"))
		b := p.Browser()
		oidcSignIn(t, b, "citra@contoso.com")
		wantAt(t, b.Get("/signout/provider"), "/signin") // nobody left yet
		left := wantAt(t, b.Post("/signout"), "/signout/provider")
		if isIn(b) || left.Header.Get("Refresh") != "" {
			t.Error("still in, or sent on without being asked")
		}
		links := left.Links(op.URL + "/end?")
		if len(links) != 1 || !strings.Contains(left.Text(), "Keluar juga dari Contoso ID") {
			t.Fatalf("it leads to %q:\n%s", links, left.Text())
		}
		there, err := url.Parse(links[0])
		if err != nil {
			t.Fatal(err)
		}
		token := there.Query().Get("id_token_hint")
		if strings.Count(token, ".") != 2 {
			t.Errorf("the hint is %q", token)
		}
		// A stranger, a made-up answer, another organization's address.
		back := backFrom(t, links[0])
		wantAt(t, p.Browser().Get(back), "/signin")
		wantAt(t, b.Clone().Get(p.URL+"/signout/provider/contoso?state=x"), "/signin")
		wantAt(t, b.Clone().Get(strings.Replace(back, "/contoso?", "/fabrikam?", 1)), "/signin")
		out := b.Get(back).Want(http.StatusOK, "signout-provider")
		if !strings.Contains(out.Text(), "Anda sudah keluar dari sini dan dari Contoso ID.") || len(out.Links(op.URL)) != 0 {
			t.Errorf("back from there:\n%s", out.Text())
		}
		wantAt(t, b.Get(back), "/signin")
		noSecret(t, p, token)

		// A password alone leads nowhere else; one whose session was proved there does.
		signIn(t, b, "citra@contoso.com", kuncitest.OldPassword)
		wantAt(t, b.Post("/signout"), "/signin")
		signIn(t, b, "citra@contoso.com", kuncitest.OldPassword)
		p.Clock.Advance(11 * time.Minute)
		b.Get(oidcGo(t, b, "stepup", "1"))
		wantAt(t, b.Post("/signout"), "/signout/provider")

		// Without the endpoint only the session here ends, and the page says so.
		p.Clock.Advance(2 * time.Hour)
		op.Be(providertest.Faults{Description: func(d map[string]any) { delete(d, "end_session_endpoint") }})
		oidcSignIn(t, b, "citra@contoso.com")
		left = wantAt(t, b.Post("/signout"), "/signout/provider")
		if isIn(b) || len(left.Links("http")) != 0 || !strings.Contains(left.Text(), "Di Contoso ID Anda mungkin masih masuk") {
			t.Errorf("without the endpoint:\n%s", left.Text())
		}
	})
}

// Administrators see the provider and how it is, and never the client's secret.
func TestOIDCTheProviderIsShown(t *testing.T) {
	oidcEach(t, func(t *testing.T, p *kuncitest.Product, op *providertest.Provider) {
		desk, c := atDesk(t, p, "adele@contoso.com", true), newProgram(t, p, "contoso", org.Auditor)
		look := func() (page, body string) {
			t.Helper()
			p.Clock.Advance(5 * time.Minute)
			if err := p.App.Provider.Look(t.Context(), []*org.Organization{p.Organization()}); err != nil {
				t.Fatal(err)
			}
			desk = atDesk(t, p, "adele@contoso.com", true)
			return desk.Get("/console/settings").Want(http.StatusOK, "console-settings").Text(), c.do(http.MethodGet, api+"/identity-provider", "").body
		}
		page, body := look()
		for _, want := range []string{op.URL, "Contoso ID", "reached since", p.URL + "/signin/provider/contoso", p.URL + "/signout/provider/contoso", "offered to people who sign out here"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q:\n%s", want, page)
			}
		}
		for _, want := range []string{`"issuer":"` + op.URL + `"`, `"client_id":"kunci"`, `"state":"reached"`, `"signs_out":true`, `"second_factor":"ask"`} {
			if !strings.Contains(body, want) {
				t.Errorf("the answer lacks %s: %s", want, body)
			}
		}
		op.Be(providertest.Faults{Down: true})
		page, body = look()
		if !strings.Contains(page, "not reached since") || !strings.Contains(page, "It cannot be connected to") || !strings.Contains(body, `"state":"not_reached"`) || !strings.Contains(body, `"reason":"unreachable"`) {
			t.Errorf("down: %s\n%s", body, page)
		}
		noEcho(t, p, providertest.ClientSecret, op.SecretFile)
		p.Apply(kuncitest.Contoso)
		if got := c.do(http.MethodGet, api+"/identity-provider", ""); got.status != http.StatusNotFound || got.code() != string(problem.NotFound) {
			t.Errorf("without one: %d %s", got.status, got.body)
		}
	})
}
