package kuncitest_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/admin"
	product "kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
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
	mails       int // that were looked at
}

// owners are alain and adele: one connects, and the other one is told.
var owners = "administrators: [{user_id: alain@contoso.com, role: owner}, {user_id: adele@contoso.com, role: owner}, {user_id: eko@contoso.com, role: auditor}]\ndirectory: {kind: embedded, allowed_networks: [127.0.0.0/8]}"

func eachConnecting(t *testing.T, journey func(t *testing.T, c *connecting)) {
	t.Helper()
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := &connecting{t: t, s: ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})}
			people(t, c.s)
			c.s.AddPerson(t, "adele@contoso.com", kuncitest.OldPassword, nil)
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
		other := c.bothAtOnce(b, atDesk(t, p, "adele@contoso.com", true))
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
		c.told(other)
		c.renews(second)
		c.shownNowhere()
		c.keeps()
		c.files()
	})
}

// bothAtOnce has two owners save at the same moment: one of them does, nothing of the
// other's is there, and whoever did not is told on their page and by mail.
func (c *connecting) bothAtOnce(alain, adele *kuncitest.Browser) (other string) {
	c.t.Helper()
	who := []string{"alain@contoso.com", "adele@contoso.com"}
	filters := []string{"(&(mail={user_id})(objectClass=person))", "(&(mail={user_id})(objectClass=inetOrgPerson))"}
	pages, errs := [2]*kuncitest.Page{}, [2]error{}
	var group sync.WaitGroup
	for i, b := range []*kuncitest.Browser{alain, adele} {
		form, fields := url.Values{}, c.fields("user_filter", filters[i])
		for n := 0; n < len(fields); n += 2 {
			form.Set(fields[n], fields[n+1])
		}
		group.Go(func() { pages[i], errs[i] = b.Do(http.MethodPost, directoryPath, form) })
	}
	group.Wait()
	if errs[0] != nil || errs[1] != nil {
		c.t.Fatal(errs)
	}
	won := 0
	if pages[0].Status != http.StatusOK {
		won = 1
	}
	o := c.p.Organization()
	if pages[won].Status != http.StatusOK || pages[won].Alert() != "" || pages[1-won].Alert() != string(problem.Conflict) {
		c.t.Fatalf("%d %q and %d %q:\n%s", pages[0].Status, pages[0].Alert(), pages[1].Status, pages[1].Alert(), pages[won].Text())
	}
	if pw, err := o.OpenKept(c.p.App.Keys); o.Version != 2 || o.Directory.UserFilter != filters[won] || err != nil || pw != c.secret {
		c.t.Errorf("saved by two: version %d, %q, %v", o.Version, o.Directory.UserFilter, err)
	}
	return who[1-won]
}

// told waits for the mails of one change, one to each of these owners and to nobody else.
func (c *connecting) told(to ...string) {
	c.t.Helper()
	var got []string
	for _, m := range c.p.Mail.Wait(c.t, c.mails+len(to))[c.mails:] {
		got = append(got, m.To)
		if text := m.Parse(c.t).Text; !strings.Contains(text, c.s.URL) {
			c.t.Errorf("told: %s", text)
		}
	}
	c.mails += len(got)
	slices.Sort(got)
	if slices.Sort(to); !slices.Equal(got, to) {
		c.t.Errorf("told %v, want %v", got, to)
	}
}

// renews has the account of the connection another password: once it is typed here,
// another node signs in with it too, at its next step and without a start.
func (c *connecting) renews(second *product.App) {
	c.t.Helper()
	c.secret = "another one of a test"
	c.s.Modify(c.t, ldaptest.Service, map[string][]string{"userPassword": {c.secret}, "pwdReset": {"FALSE"}})
	c.p.Clock.Advance(11 * time.Minute) // of ten tries
	b := atDesk(c.t, c.p, "alain@contoso.com", true)
	b.Post(directoryPath, c.fields()...).Want(http.StatusOK, "console-directory")
	c.told("adele@contoso.com")
	c.s.Kill() // no connection of before is left
	c.s.Run(c.t)
	for name, node := range map[string]*product.App{"this node": c.p.App, "another node": second} {
		if node == nil {
			continue
		}
		o, err := node.Organization(c.t.Context(), "contoso")
		if err == nil {
			_, err = node.Accounts.Find(c.t.Context(), o, "hana@contoso.com")
		}
		if err != nil {
			c.t.Errorf("%s, after another password: %v", name, err)
		}
	}
	if err := os.WriteFile(c.s.PasswordFile, []byte(c.secret), 0o600); err != nil {
		c.t.Fatal(err)
	}
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
	c.told("adele@contoso.com")
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
	c.told("adele@contoso.com", "alain@contoso.com")
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
		for _, role := range []org.Role{org.PolicyAdmin, org.AuthenticationAdmin, org.Helpdesk, org.Auditor, admin.FrontEnd} {
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
		c.told("adele@contoso.com", "alain@contoso.com") // a key is nobody who knows already
		c.lacksAKey(func() answer { return put(owner, body, `"3"`) })
	})
}

// lacksAKey seals the password again under a key that this node does not have: it signs
// in nowhere, says so to who can mend it, and serves the others. Typed here, it works again.
func (c *connecting) lacksAKey(again func() answer) {
	c.t.Helper()
	t, p := c.t, c.p
	newer := filepath.Join(t.TempDir(), "kunci.keyset")
	text, err := os.ReadFile(p.App.Config.Keyset)
	if err == nil {
		err = os.WriteFile(newer, text, 0o600)
	}
	var keys *secret.Keyset
	if err == nil {
		keys, err = secret.Open(newer)
	}
	if err == nil {
		err = keys.Rotate()
	}
	var theirs *org.Service
	if err == nil {
		theirs, err = org.New(org.Deps{Audit: p.App.Audit, Keys: keys})
	}
	if err == nil {
		o := p.Organization()
		err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := theirs.SetDirectory(t.Context(), tx, audit.Actor{Kind: audit.CLI}, o.ID, o.Directory, c.secret, o.Version)
			return err
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	page := signIn(t, p.Browser(), "alain@contoso.com", kuncitest.OldPassword)
	if page.Alert() != string(problem.DirectoryRefused) {
		t.Errorf("signing in: %q %s", page.Alert(), page.Text())
	}
	said := ""
	for _, check := range product.Doctor(t.Context(), p.App.Config, product.Options{Log: slog.New(slog.DiscardHandler), Now: p.Clock.Now}) {
		if check.Name == "directory contoso: password" && !check.OK {
			said = check.Text + "; " + check.Mend
		}
	}
	if !strings.Contains(said, "cannot be used") || !strings.Contains(said, "same keyset") || strings.Contains(said, c.secret) {
		t.Errorf("doctor says %q", said)
	}
	p.Apply("organization: fabrikam\nname: Fabrikam\ndomains: [fabrikam.com]\nlanguage: en\nsupport: {email: h@fabrikam.com}")
	p.Import("fabrikam", "user_id,password\nfay@fabrikam.com,"+kuncitest.OldPassword+"\n")
	if page := signIn(t, p.Browser(), "fay@fabrikam.com", kuncitest.OldPassword); page.Alert() != "" || page.Name() == "signin-password" {
		t.Errorf("another organization: %s %q", page.Name(), page.Alert())
	}
	if ready := p.Browser().Get("/readyz"); ready.Status != http.StatusOK {
		t.Errorf("for one organization's trouble the node is not ready: %d", ready.Status)
	}
	if got := again(); got.status != http.StatusOK {
		t.Errorf("typed again: %d %s", got.status, got.body)
	}
	if _, err := p.App.Accounts.Find(t.Context(), p.Organization(), "hana@contoso.com"); err != nil {
		t.Errorf("typed again: %v", err)
	}
}
