package kuncitest_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	product "kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// connecting is an organization whose accounts are in Kunci, beside a slapd that it may
// be connected to, and somebody else's server.
type connecting struct {
	t           *testing.T
	p           *kuncitest.Product
	s           *ldaptest.Slapd
	theirs      *ldaptest.Recorder
	secret, pem string
}

// owners are alain, who connects, and adele, who is told.
var owners = "administrators: [{user_id: alain@contoso.com, role: owner}, {user_id: adele@contoso.com, role: owner}, {user_id: eko@contoso.com, role: auditor}]\ndirectory: {kind: embedded, allowed_networks: [127.0.0.0/8]}"

func eachConnecting(t *testing.T, journey func(t *testing.T, c *connecting)) {
	t.Helper()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := &connecting{t: t, s: ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})}
			people(t, c.s)
			c.theirs = ldaptest.StartRecorder(t, c.s.Authority)
			c.p = kuncitest.Start(t, kuncitest.Options{
				Kind: kind, Organization: regexp.MustCompile(`(?m)^administrators:.*$`).ReplaceAllString(kuncitest.Contoso, owners), Accounts: kuncitest.People,
			})
			for file, into := range map[string]*string{c.s.PasswordFile: &c.secret, c.s.Authority.File: &c.pem} {
				text, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				*into = strings.TrimSpace(string(text))
			}
			journey(t, c)
		})
	}
}

// fields are those of the form for the slapd, with some changed; an empty one is left out.
func (c *connecting) fields(change ...string) (list []string) {
	all := map[string]string{
		"action": "save", "version": strconv.FormatInt(c.p.Organization().Version, 10), "dialect": "openldap", "urls": c.s.URL, "authorities": c.pem,
		"bind_dn": ldaptest.Service, "base_dn": ldaptest.People, "write_back": "yes", "leave_accounts": "yes", "bind_password": c.secret,
	}
	for i := 0; i < len(change); i += 2 {
		all[change[i]] = change[i+1]
	}
	for name, value := range all {
		if value != "" {
			list = append(list, name, value)
		}
	}
	return list
}

// refused wants a page that refuses, keeps what was typed, and saved nothing.
func (c *connecting) refused(b *kuncitest.Browser, why problem.Code, change ...string) *kuncitest.Page {
	c.t.Helper()
	before := c.p.Organization()
	page := b.Post(directoryPath, c.fields(change...)...)
	if page.Alert() != string(why) || page.Status < 400 {
		c.t.Errorf("want %s, got %d %q", why, page.Status, page.Alert())
	}
	if typed, _ := page.Field("base_dn"); typed == "" || strings.Contains(page.Body, c.secret) {
		c.t.Errorf("%s: the fields are lost, or the password is shown", why)
	}
	if after := c.p.Organization(); after.Version != before.Version {
		c.t.Errorf("%s: it was saved", why)
	}
	return page
}

func TestAnOwnerConnectsADirectory(t *testing.T) {
	eachConnecting(t, func(t *testing.T, c *connecting) {
		p, b := c.p, atDesk(t, c.p, "alain@contoso.com", true)
		page := b.Get(directoryPath).Want(http.StatusOK, "console-directory")
		if !strings.Contains(page.Text(), "Connect a directory") || !strings.Contains(page.Text(), "begin anew") {
			t.Errorf("the page says\n%s", page.Text())
		}
		if eko := atDesk(t, p, "eko@contoso.com", true).Post(directoryPath, c.fields()...); eko.Status != http.StatusForbidden {
			t.Errorf("an auditor: %d", eko.Status)
		}
		c.refused(b, problem.DirectoryLeaves, "leave_accounts", "")
		c.refused(b, problem.DirectoryPassword, "bind_password", "")
		c.refused(b, problem.DirectoryInput, "dialect", "", "urls", "http://x")
		c.refused(b, problem.Conflict, "version", "7")
		wrong := c.refused(b, problem.DirectoryNotWell, "bind_password", "not the password")
		if !strings.Contains(wrong.Body, `data-finding="directory.finding.bind.bad"`) {
			t.Errorf("it does not say why:\n%s", wrong.Text())
		}
		c.refused(b, problem.DirectoryNotWell, "authorities", "")
		// Whoever connects has to be found there.
		if lost := c.refused(b, problem.DirectoryNotWell, "base_dn", "ou=nobody,"+ldaptest.People); lost.Status != http.StatusUnprocessableEntity {
			t.Error("an owner may shut themselves out")
		}
		second := c.secondNode()
		saved := b.Post(directoryPath, c.fields()...)
		if saved.Status != http.StatusOK || saved.Alert() != "" {
			t.Fatalf("it is not saved: %d %s %s", saved.Status, saved.Alert(), saved.Text())
		}
		d := p.Organization().Directory
		if d.Kind != org.LDAP || d.BindPassword != org.KeptPassword || d.BindPasswordFile+d.CAFile != "" || !slices.Equal(d.ConsoleURLs, []string{c.s.URL}) || len(d.AllowedNetworks) != 1 {
			t.Fatalf("saved: %+v", d)
		}
		for name, node := range map[string]*product.App{"this node": p.App, "another node": second} {
			if node == nil {
				continue
			}
			o, err := node.Organization(t.Context(), "contoso")
			if err == nil {
				_, err = node.Accounts.Find(t.Context(), o, "hana@contoso.com")
			}
			if err != nil || o.Directory.Kind != org.LDAP {
				t.Errorf("%s: %v", name, err)
			}
		}
		told := p.Mail.Wait(t, 1)
		if m := told[0].Parse(t); told[0].To != "adele@contoso.com" || !strings.Contains(m.Text, c.s.URL) || !strings.Contains(m.Text, "alain@contoso.com") {
			t.Errorf("told: %s\n%s", told[0].To, m.Text)
		}
		c.shownNowhere()
		c.keeps()
		c.files()
	})
}

// secondNode is another node on the same database, where it can be shared.
func (c *connecting) secondNode() *product.App {
	c.t.Helper()
	if strings.HasPrefix(c.p.App.Config.Database, "sqlite:") {
		return nil
	}
	a, err := product.New(c.t.Context(), c.p.App.Config, product.Options{Log: slog.New(slog.DiscardHandler), Now: c.p.Clock.Now})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = a.Close() })
	return a
}

// shownNowhere looks for the password wherever somebody could read it.
func (c *connecting) shownNowhere() {
	c.t.Helper()
	p := c.p
	b := atDesk(c.t, p, "alain@contoso.com", true)
	page := b.Get(directoryPath).Want(http.StatusOK, "console-directory")
	if !strings.Contains(page.Text(), "Its password kept here, sealed") {
		c.t.Errorf("the page says\n%s", page.Text())
	}
	owner := newProgram(c.t, p, "contoso", org.Owner)
	got := owner.do(http.MethodGet, api+"/directory", "")
	if got.status != http.StatusOK || !strings.Contains(got.body, `"password":"kept"`) || got.header.Get("ETag") == "" {
		c.t.Errorf("%d %s", got.status, got.body)
	}
	text, err := config.Encode(p.Organization().Document())
	if err != nil {
		c.t.Fatal(err)
	}
	events := ""
	for _, e := range p.Events() {
		events += strings.Join(slices.Collect(maps.Values(e.Detail)), " ")
	}
	for name, said := range map[string]string{"the page": page.Body, "the API": got.body, "org show": string(text), "the log": p.Logged.String(), "the events": events} {
		if strings.Contains(said, c.secret) {
			c.t.Errorf("%s holds the password", name)
		}
	}
	if p.Holds(c.secret) {
		c.t.Error("the database holds the password")
	}
	if !p.Has(audit.DirectoryChanged) {
		c.t.Error("no event")
	}
	if applied, err := p.App.Apply(c.t.Context(), strings.NewReader(string(text)), ""); err != nil || len(applied[0].Changes) > 0 {
		c.t.Errorf("org show, applied: %+v, %v", applied, err)
	}
}

// keeps changes what leaves the password where it is, and tries what does not.
func (c *connecting) keeps() {
	c.t.Helper()
	c.p.Clock.Advance(11 * time.Minute) // of ten tries
	b := atDesk(c.t, c.p, "alain@contoso.com", true)
	before := c.p.Organization()
	b.Post(directoryPath, c.fields("bind_password", "", "user_filter", "(mail={user_id})")...).Want(http.StatusOK, "console-directory")
	o := c.p.Organization()
	if o.Version == before.Version || o.Directory.UserFilter != "(mail={user_id})" || string(o.Kept) != string(before.Kept) {
		c.t.Errorf("another filter: %+v", o.Directory)
	}
	c.refused(b, problem.DirectoryPassword, "bind_password", "", "urls", c.theirs.URL)
	c.refused(b, problem.DirectoryPassword, "bind_password", "", "base_dn", "dc=contoso,dc=com")
	c.refused(b, problem.DirectoryPassword, "bind_password", "", "authorities", " ")
	if c.theirs.Connections() != 0 {
		c.t.Error("somebody else's server was connected to")
	}
	c.refused(b, problem.DirectoryNotWell, "bind_password", "for theirs", "urls", c.theirs.URL)
	for _, bind := range c.theirs.Binds() {
		if bind.Password != "for theirs" {
			c.t.Errorf("%+v reached somebody else's server", bind)
		}
	}
	c.p.Clock.Advance(11 * time.Minute) // a proof of before opens nothing any more
	c.refused(b, problem.StepUp)
}

// files are the operator's: they win, and what was kept is erased.
func (c *connecting) files() {
	c.t.Helper()
	document := c.p.Organization().Document()
	document.Directory.URLs, document.Directory.ConsoleURLs = []string{c.theirs.URL}, nil
	text, err := config.Encode(document)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.p.App.Apply(c.t.Context(), strings.NewReader(string(text)), ""); err == nil || !strings.Contains(err.Error(), "directory.bind_password") {
		c.t.Errorf("another server with the kept password: %v", err)
	}
	document = c.p.Organization().Document()
	document.Directory.BindPassword, document.Directory.BindPasswordFile, document.Directory.ConsoleURLs = "", c.s.PasswordFile, nil
	if text, err = config.Encode(document); err != nil {
		c.t.Fatal(err)
	}
	applied, err := c.p.App.Apply(c.t.Context(), strings.NewReader(string(text)), "")
	if err != nil || !slices.ContainsFunc(applied[0].Changes, func(ch org.Change) bool { return ch.Key == "directory.bind_password" && ch.After == "" }) {
		c.t.Errorf("a file in its place: %+v, %v", applied, err)
	}
	if o := c.p.Organization(); len(o.Kept) != 0 {
		c.t.Error("the password is still kept")
	}
	if _, err := c.p.App.Accounts.Find(context.WithoutCancel(c.t.Context()), c.p.Organization(), "hana@contoso.com"); err != nil {
		c.t.Errorf("by the file: %v", err)
	}
}

func TestAProgramConnectsADirectory(t *testing.T) {
	eachConnecting(t, func(t *testing.T, c *connecting) {
		owner := newProgram(t, c.p, "contoso", org.Owner)
		pem := strings.ReplaceAll(c.pem, "\n", `\n`)
		body := `{"dialect":"openldap","urls":["` + c.s.URL + `"],"authorities":"` + pem + `","bind_dn":"` + ldaptest.Service + `","bind_password":"` + c.secret +
			`","base_dn":"` + ldaptest.People + `","sample":"hana@contoso.com","leave_accounts":true}`
		put := func(who *program, body, version string) answer {
			return who.do(http.MethodPut, api+"/directory", body, "If-Match", version)
		}
		for _, role := range []org.Role{org.PolicyAdmin, org.AuthenticationAdmin, org.Helpdesk, org.Auditor} {
			if got := put(newProgram(t, c.p, "contoso", role), body, `"1"`); got.status != http.StatusForbidden {
				t.Errorf("%s: %d %s", role, got.status, got.body)
			}
		}
		for name, got := range map[string]answer{
			"no version":    owner.do(http.MethodPut, api+"/directory", body),
			"another one":   put(owner, body, `"7"`),
			"a file":        put(owner, strings.Replace(body, `{`, `{"bind_password_file":"/etc/passwd",`, 1), `"1"`),
			"networks":      put(owner, strings.Replace(body, `{`, `{"allowed_networks":["0.0.0.0/0"],`, 1), `"1"`),
			"nobody leaves": put(owner, strings.Replace(body, `"leave_accounts":true`, `"leave_accounts":false`, 1), `"1"`),
			"not well":      put(owner, strings.Replace(body, c.secret, "wrong", 1), `"1"`),
		} {
			if got.status < 400 || c.p.Organization().Version != 1 || strings.Contains(got.body, c.secret) {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		got := put(owner, body, `"1"`)
		if got.status != http.StatusOK || got.header.Get("ETag") != `"2"` || strings.Contains(got.body, c.secret) || !strings.Contains(got.body, `"key":"directory.urls"`) {
			t.Fatalf("%d %s", got.status, got.body)
		}
		if _, err := c.p.App.Accounts.Find(t.Context(), c.p.Organization(), "hana@contoso.com"); err != nil {
			t.Error(err)
		}
		if c.p.Holds(c.secret) || strings.Contains(c.p.Logged.String(), c.secret) {
			t.Error("the password is stored or logged")
		}
	})
}
