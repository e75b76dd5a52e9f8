package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const domainsPath = "/console/settings/domains"

// eachDomains is eachConsole with a DNS of the test's own.
func eachDomains(t *testing.T, walk func(t *testing.T, p *kuncitest.Product, dns *domaintest.DNS)) {
	t.Helper()
	t.Parallel()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			dns := domaintest.Start(t)
			walk(t, kuncitest.Start(t, kuncitest.Options{Kind: kind, Organization: consoleOrganization, Accounts: consolePeople, DNS: dns}), dns)
		})
	}
}

// domainsLeads is the page that a user ID comes to at signing in, and whether a
// reset finds its organization.
func domainsLeads(t *testing.T, p *kuncitest.Product, userID string) (signin string, reset bool) {
	t.Helper()
	b := p.Browser()
	b.Get("/signin")
	signin = b.Post("/signin", "user_id", userID).Text()
	err := p.App.DB.Read(t.Context(), func(tx *store.Tx) error {
		_, err := p.App.Orgs.ForUserID(t.Context(), tx, userID)
		reset = err == nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return signin, reset
}

func TestAnOwnerProvesADomain(t *testing.T) {
	eachDomains(t, func(t *testing.T, p *kuncitest.Product, dns *domaintest.DNS) {
		b := atDesk(t, p, "owner@contoso.com", true)
		page := b.Get(domainsPath).Want(http.StatusOK, "console-domains")
		if !strings.Contains(page.Text(), "operator’s file") || strings.Contains(page.Text(), "fabrikam") {
			t.Errorf("to begin with: %s", page.Text())
		}
		b.Post(domainsPath, "act", "add_domain", "domain", "no domain").Want(http.StatusUnprocessableEntity, "console-domains")
		page = b.Post(domainsPath, "act", "add_domain", "domain", "Contoso.co.id").Want(http.StatusOK, "console-domains")
		_, value, found := strings.Cut(page.Text(), "kunci-domain-verification=")
		if !found || !strings.Contains(page.Text(), "_kunci-challenge.contoso.co.id") {
			t.Fatalf("what to put into the DNS is not told: %s", page.Text())
		}
		value = "kunci-domain-verification=" + strings.Fields(value)[0]
		if signin, leads := domainsLeads(t, p, "siti@contoso.co.id"); leads || strings.Contains(signin, "PT") {
			t.Error("a domain that nobody proved leads somewhere")
		}
		if page = b.Post(domainsPath, "act", "verify_domain", "domain", "contoso.co.id"); !strings.Contains(page.Text(), "There is no such record yet") {
			t.Errorf("without a record: %s", page.Text())
		}
		dns.Set("_kunci-challenge.contoso.co.id", value)
		if page = b.Post(domainsPath, "act", "verify_domain", "domain", "contoso.co.id"); !strings.Contains(page.Text(), "the domain is verified") {
			t.Errorf("with its record: %s", page.Text())
		}
		if !p.Organization().HasDomain("contoso.co.id") {
			t.Fatal("the domain is not the organization's")
		}
		p.Import("contoso", "user_id,display_name,password\nsiti@contoso.co.id,Siti,teapot harbour violin\n")
		if _, leads := domainsLeads(t, p, "siti@contoso.co.id"); !leads {
			t.Error("a verified domain leads nowhere")
		}
		// The file that is shown has it, and applying that changes nothing.
		before := p.Organization().Version
		if p.Apply(settingsFile(t, p)); p.Organization().Version != before {
			t.Error("applying what was shown changes something")
		}
		// A record that has gone is a warning, and nothing else.
		dns.Set("_kunci-challenge.contoso.co.id")
		p.Clock.Advance(25 * time.Hour)
		if err := p.App.Domains.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		b = atDesk(t, p, "owner@contoso.com", true)
		if page := b.Get("/console"); !page.Has(domainsPath) || !strings.Contains(page.Text(), "The record of 1 domain is missing") {
			t.Errorf("the overview: %s", page.Text())
		}
		if _, leads := domainsLeads(t, p, "siti@contoso.co.id"); !leads {
			t.Error("people are locked out by a slip in the DNS")
		}
		// What removing it does is told before; the name has to be typed.
		asked := b.Post(domainsPath, "act", "ask_domain", "domain", "contoso.co.id").Want(http.StatusOK, "console-domains")
		if !strings.Contains(asked.Text(), "1 person has a user ID in this domain") || !strings.Contains(asked.Text(), "can no longer sign in") {
			t.Errorf("before it is removed: %s", asked.Text())
		}
		version := settingsVersion(t, asked)
		if page := b.Post(domainsPath, "act", "remove_domain", "domain", "contoso.co.id", "version", version, "confirm", "contoso"); page.Status != http.StatusUnprocessableEntity || !p.Organization().HasDomain("contoso.co.id") {
			t.Errorf("without its name: %d", page.Status)
		}
		if page := b.Post(domainsPath, "act", "remove_domain", "domain", "contoso.com", "version", version, "confirm", "contoso.com"); page.Status != http.StatusUnprocessableEntity || !strings.Contains(page.Text(), "owner@contoso.com") {
			t.Errorf("a domain with administrators in it: %d %s", page.Status, page.Text())
		}
		if page := b.Post(domainsPath, "act", "remove_domain", "domain", "fabrikam.com", "version", version, "confirm", "fabrikam.com"); page.Status != http.StatusNotFound && page.Alert() != string(problem.NotFound) {
			t.Errorf("another organization's: %d", page.Status)
		}
		b.Post(domainsPath, "act", "remove_domain", "domain", "contoso.co.id", "version", version, "confirm", "Contoso.co.id").Want(http.StatusOK, "console-domains")
		if _, leads := domainsLeads(t, p, "siti@contoso.co.id"); leads {
			t.Error("a removed domain still leads somewhere")
		}
		// Who only reads sees what is there and changes nothing.
		reader := atDesk(t, p, "auditor@contoso.com", true)
		if page := reader.Get(domainsPath).Want(http.StatusOK, "console-domains"); strings.Contains(page.Body, "add_domain") {
			t.Error("an auditor is offered to add a domain")
		}
		if page := reader.Post(domainsPath, "act", "add_domain", "domain", "x.example"); page.Status != http.StatusForbidden {
			t.Errorf("an auditor adds a domain: %d", page.Status)
		}
	})
}

func TestDomainsOverTheAPI(t *testing.T) {
	eachDomains(t, func(t *testing.T, p *kuncitest.Product, dns *domaintest.DNS) {
		p.Import("fabrikam", "user_id,password\nowner@fabrikam.com,teapot harbour violin\n")
		c, other := newProgram(t, p, "contoso", org.Owner), newProgram(t, p, "fabrikam", org.Owner)
		const theirs = "/api/v1/orgs/fabrikam"
		type one struct{ Domain, State, Record, Value, Reason string }
		read := func(a answer) (d one) {
			t.Helper()
			if err := json.Unmarshal([]byte(a.body), &d); err != nil || a.status != http.StatusOK {
				t.Fatalf("%d %s: %v", a.status, a.body, err)
			}
			return d
		}
		if got := c.do(http.MethodPost, api+"/domains", `{"domain":"no domain"}`); got.code() != string(problem.DomainInvalid) {
			t.Errorf("%d %s", got.status, got.body)
		}
		// Asking for a domain that another organization has tells nothing of it.
		if got := read(other.do(http.MethodPost, theirs+"/domains", `{"domain":"contoso.com"}`)); got.State != "pending" || got.Record != "_kunci-challenge.contoso.com" {
			t.Errorf("%+v", got)
		}
		mine := read(c.do(http.MethodPost, api+"/domains", `{"domain":"shared.example"}`))
		yours := read(other.do(http.MethodPost, theirs+"/domains", `{"domain":"shared.example"}`))
		dns.Set(yours.Record, yours.Value, mine.Value)
		if got := read(other.do(http.MethodPost, theirs+"/domains/shared.example/verify", "")); got.State != "verified" {
			t.Errorf("%+v", got)
		}
		taken := c.do(http.MethodPost, api+"/domains/shared.example/verify", "")
		if got := read(taken); got.State != "failed" || got.Reason != "taken" || strings.Contains(strings.ToLower(taken.body), "fabrikam") {
			t.Errorf("%s", taken.body)
		}
		if got := c.do(http.MethodGet, api+"/domains", ""); got.status != http.StatusOK || strings.Contains(got.body, "fabrikam") || strings.Contains(got.body, yours.Value) {
			t.Errorf("%d %s", got.status, got.body)
		}
		// Another organization's domains do not exist.
		for _, path := range []string{api + "/domains/fabrikam.com", theirs + "/domains"} {
			if got := c.do(http.MethodGet, path, ""); got.status != http.StatusNotFound {
				t.Errorf("GET %s: %d %s", path, got.status, got.body)
			}
		}
		if got := c.do(http.MethodPost, api+"/domains/fabrikam.com/verify", ""); got.status != http.StatusNotFound {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodDelete, api+"/domains/fabrikam.com", "", "If-Match", `"1"`); got.status != http.StatusNotFound {
			t.Errorf("%d %s", got.status, got.body)
		}
		got := other.do(http.MethodGet, theirs+"/domains/fabrikam.com", "")
		if got.status != http.StatusOK || !strings.Contains(got.body, `"people":1`) || !strings.Contains(got.body, `"by_operator":true`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		tag := got.header.Get("ETag")
		if got := other.do(http.MethodDelete, theirs+"/domains/shared.example", "", "If-Match", `"1"`); got.status != http.StatusPreconditionFailed {
			t.Errorf("at an old version: %d", got.status)
		}
		if got := other.do(http.MethodDelete, theirs+"/domains/shared.example", "", "If-Match", tag); got.status != http.StatusNoContent {
			t.Errorf("%d %s", got.status, got.body)
		}
		// Now it is free for whoever else proves it.
		if got := read(c.do(http.MethodPost, api+"/domains/shared.example/verify", "")); got.State != "verified" {
			t.Errorf("%+v", got)
		}
	})
}
