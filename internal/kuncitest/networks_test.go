package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
)

// inNetworks is Contoso where methods are registered from some networks only.
func inNetworks(networks string) string {
	return strings.Replace(kuncitest.Contoso, "policy:\n", "policy:\n  registration: {skips_allowed: 1, networks: ["+networks+"]}\n", 1)
}

// From outside the organization's networks nobody registers, changes or confirms a
// method, is asked in vain, or uses up a time that it can be put off; a method that
// was lost is deleted from anywhere, and a pass opens the way.
func TestMethodsAreRegisteredFromTheNetworksOfThePolicy(t *testing.T) {
	o := officeOptions()
	o.Organization = inNetworks("203.0.113.0/24")
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		for range 3 { // more often than it can be put off
			b = p.Browser()
			asked := wantAt(t, signIn(t, b, "citra@contoso.com", kuncitest.OldPassword), "/interrupt")
			if !strings.Contains(asked.Body, "data-outside") || strings.Contains(asked.Body, `value="register"`) {
				t.Fatalf("the page asks for what cannot be done:\n%s", asked.Text())
			}
			wantAt(t, b.Post("/interrupt", "action", "skip"), "/security-info")
		}
		if p.Has(audit.RegistrationSkipped) {
			t.Error("it counts as put off")
		}
		if list := b.Get("/security-info").Want(http.StatusOK, "security-info"); strings.Contains(list.Body, `href="/security-info/add"`) {
			t.Error("the list leads to adding")
		}
		for _, path := range []string{"/security-info/add", "/security-info/add?kind=email"} {
			if add := b.Get(path).Want(http.StatusOK, "security-info-add"); !strings.Contains(add.Body, "data-outside") || strings.Contains(add.Body, `name="email"`) {
				t.Errorf("%s lets somebody type in vain:\n%s", path, add.Text())
			}
		}
		for kind, form := range map[string][]string{"email": {"email", "citra@example.net"}, "recovery_code": nil, "authenticator_code": {"name", "App"}} {
			page := b.Post("/security-info/add", append([]string{"kind", kind}, form...)...)
			if page.Status != http.StatusUnprocessableEntity || page.Alert() != "register-elsewhere" {
				t.Errorf("%s: %d, alert %q", kind, page.Status, page.Alert())
			}
		}
		// What the organization entered is confirmed from there, too; deleting works from anywhere.
		alain := p.Browser()
		signIn(t, alain, "alain@contoso.com", kuncitest.OldPassword)
		id := find(t, p, "alain@contoso.com").Methods[0].ID
		if page := alain.Post("/security-info/"+id+"/confirm", "action", "send"); page.Alert() != "register-elsewhere" {
			t.Errorf("confirming: at %s, %d, alert %q\n%s", page.Path, page.Status, page.Alert(), page.Text())
		}
		wantAt(t, alain.Post("/security-info/"+id+"/delete"), "/security-info")
		if !p.Has(audit.MethodDeleted) {
			t.Error("nothing was deleted")
		}
		// A pass was handed out by somebody who knows whose it is.
		hana := p.Browser()
		wantAt(t, signInByPass(t, hana, "hana@contoso.com", issue(t, p, "hana@contoso.com", time.Time{}).Code), "/interrupt")
		if page := hana.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add"); page.Alert() != "" {
			t.Errorf("with a pass: %q", page.Alert())
		}
		// At the office everything works, and what began there does not end outside.
		p.Apply(inNetworks("203.0.113.0/24, 127.0.0.0/8, \"::1/128\""))
		verify := b.Post("/security-info/add", "kind", "email", "email", "citra@example.net").Want(http.StatusOK, "security-info-add")
		if verify.Alert() != "" {
			t.Fatalf("at the office: %q", verify.Alert())
		}
		code := codeTo(t, p, "citra@example.net")
		p.Apply(inNetworks("203.0.113.0/24"))
		if page := b.Post("/security-info/add", "kind", "email", "code", code); page.Alert() != "register-elsewhere" {
			t.Errorf("confirmed from outside: at %s, alert %q", page.Path, page.Alert())
		}
		p.Apply(inNetworks("127.0.0.0/8, \"::1/128\""))
		wantAt(t, b.Post("/security-info/add", "kind", "email", "code", code), "/security-info")
	})
}
