package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const directoryPath = "/console/directory"

func TestTheDirectoryPageOfAccountsInKunci(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		page := atDesk(t, p, "auditor@contoso.com", true).Get(directoryPath).Want(http.StatusOK, "console-directory")
		if text := page.Text(); !strings.Contains(text, "Kunci's own database") || !strings.Contains(text, "People 8") {
			t.Errorf("it says\n%s", text)
		}
		b := atDesk(t, p, "owner@contoso.com", true)
		if page := b.Get(directoryPath); !strings.Contains(page.Body, `name="urls"`) || !strings.Contains(page.Text(), "Connect a directory") {
			t.Error("an owner cannot connect one")
		}
		c := newProgram(t, p, "contoso", org.Auditor)
		if got := c.do(http.MethodGet, api+"/directory", ""); got.status != http.StatusOK || !strings.Contains(got.body, `"kind":"embedded"`) || !strings.Contains(got.body, `"people":8`) {
			t.Errorf("%d %s", got.status, got.body)
		}
		// Another organization's key has no way to it.
		other := newProgram(t, p, "fabrikam", org.Owner)
		for _, got := range []answer{other.do(http.MethodGet, api+"/directory", ""), other.do(http.MethodPost, api+"/directory/test", `{}`)} {
			if got.status != http.StatusNotFound || strings.Contains(got.body, "embedded") {
				t.Errorf("another organization: %d %s", got.status, got.body)
			}
		}
	})
}

// slapdDesk is Contoso at a slapd, with alain as its owner and eko as its auditor.
func slapdDesk(s *ldaptest.Slapd, more string) kuncitest.Options {
	o := contosoAt(s, more)
	o.Organization = regexp.MustCompile(`(?m)^administrators:.*$`).ReplaceAllString(o.Organization, "administrators: [{user_id: alain@contoso.com, role: owner}, {user_id: eko@contoso.com, role: auditor}]")
	return o
}

func TestTheDirectoryPageAtSlapd(t *testing.T) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
			people(t, s)
			// Somebody's own server, with a certificate that Kunci trusts, in a network
			// where others may be tried.
			theirs := ldaptest.StartRecorder(t, s.Authority)
			options := slapdDesk(s, "  allowed_networks: [127.0.0.0/8]")
			options.Kind = kind
			directoryWalk(t, kuncitest.Start(t, options), s, theirs)
		})
	}
}

func directoryWalk(t *testing.T, p *kuncitest.Product, s *ldaptest.Slapd, theirs *ldaptest.Recorder) {
	t.Helper()
	text, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(string(text))
	b := atDesk(t, p, "alain@contoso.com", true)
	page := b.Get(directoryPath).Want(http.StatusOK, "console-directory")
	for _, want := range []string{s.URL, ldaptest.Service, ldaptest.People, "Its password set", "Try or change the connection", "organization's own authority", "State answers"} {
		if !strings.Contains(page.Text(), want) {
			t.Errorf("the page lacks %q:\n%s", want, page.Text())
		}
	}
	fields := func(page *kuncitest.Page, change ...string) []string {
		t.Helper()
		all := map[string]string{"write_back": "yes", "urls": s.URL, "bind_dn": ldaptest.Service, "base_dn": ldaptest.People}
		for i := 0; i < len(change); i += 2 {
			all[change[i]] = change[i+1]
		}
		var list []string
		for name, value := range all {
			list = append(list, name, value)
		}
		return list
	}
	seen := []*kuncitest.Page{page}
	post := func(status int, change ...string) *kuncitest.Page {
		t.Helper()
		page := b.Post(directoryPath, fields(page, change...)...).Want(status, "console-directory")
		seen = append(seen, page)
		return page
	}
	// As it stands, with somebody to look up.
	found := post(http.StatusOK, "sample", "hana@contoso.com").Text()
	for _, want := range []string{"The account signs in.", "The person you named is found.", "Nothing was saved."} {
		if !strings.Contains(found, want) {
			t.Errorf("the test lacks %q:\n%s", want, found)
		}
	}
	if strings.Contains(found, "would change") {
		t.Error("it says what would change where nothing differs")
	}
	// Another server gets nothing that nobody typed.
	if refused := post(http.StatusUnprocessableEntity, "urls", theirs.URL); refused.Alert() != string(problem.DirectoryPassword) {
		t.Errorf("another server without a password: %q", refused.Alert())
	}
	if refused := post(http.StatusUnprocessableEntity, "bind_dn", "cn=other"); refused.Alert() != string(problem.DirectoryPassword) {
		t.Errorf("another account without a password: %q", refused.Alert())
	}
	if theirs.Connections() != 0 {
		t.Error("the other server was connected to")
	}
	const typed = "typed by an owner"
	found = post(http.StatusOK, "urls", s.URL+"\r\n"+theirs.URL, "bind_password", typed).Text()
	if !strings.Contains(found, "The account cannot sign in.") || !strings.Contains(found, "directory.urls : ["+s.URL+"] → ["+s.URL+" "+theirs.URL+"]") {
		t.Errorf("with a password:\n%s", found)
	}
	if binds := theirs.Binds(); len(binds) == 0 {
		t.Error("the typed password was not tried")
	}
	for _, bind := range theirs.Binds() {
		if bind.Password != typed {
			t.Errorf("%+v reached another server", bind)
		}
	}
	if wrong := post(http.StatusUnprocessableEntity, "urls", "http://x", "base_dn", "nothing"); wrong.Alert() != string(problem.DirectoryInput) || !strings.Contains(wrong.Text(), "Expected 1 to 8") {
		t.Errorf("a form with faults: %q", wrong.Alert())
	}
	b.Header.Set("Accept-Language", "id")
	if text := post(http.StatusOK).Text(); !strings.Contains(text, "Akunnya bisa masuk.") {
		t.Errorf("in Indonesian:\n%s", text)
	}
	for _, page := range seen {
		if strings.Contains(page.Body, secret) || strings.Contains(page.Body, typed) || strings.Contains(page.Body, s.PasswordFile) || strings.Contains(page.Body, s.Authority.File) {
			t.Error("a page holds a secret, or a file's name")
		}
	}
	if p.Holds(typed) || p.Holds(secret) {
		t.Error("a password is stored")
	}
	if p.Organization().Version != 1 {
		t.Error("a test changed the organization")
	}
	outcomes := map[audit.Outcome]int{}
	for _, e := range audittest.Events(t, p.App.DB, p.App.Audit) {
		if e.Kind == audit.DirectoryTested {
			outcomes[e.Outcome]++
		}
	}
	if outcomes[audit.Denied] != 3 || outcomes[audit.Success] != 3 {
		t.Errorf("recorded: %v", outcomes)
	}
	auditor := atDesk(t, p, "eko@contoso.com", true).Get(directoryPath).Want(http.StatusOK, "console-directory")
	if strings.Contains(auditor.Body, ldaptest.Service) || strings.Contains(auditor.Text(), "change the connection") {
		t.Error("an auditor sees the account, or may try")
	}
	directoryAPI(t, p, theirs, secret)
}

func directoryAPI(t *testing.T, p *kuncitest.Product, theirs *ldaptest.Recorder, secret string) {
	t.Helper()
	c := newProgram(t, p, "contoso", org.Owner)
	got := c.do(http.MethodGet, api+"/directory", "")
	if got.status != http.StatusOK || !strings.Contains(got.body, `"password_set":true`) || strings.Contains(got.body, secret) || strings.Contains(got.body, "/ca.pem") {
		t.Errorf("%d %s", got.status, got.body)
	}
	got = c.do(http.MethodPost, api+"/directory/test", `{"sample":"hana@contoso.com"}`)
	var said struct {
		Findings []struct {
			Code string `json:"code"`
			OK   bool   `json:"ok"`
			Text string `json:"text"`
		} `json:"findings"`
	}
	if err := json.Unmarshal([]byte(got.body), &said); err != nil || got.status != http.StatusOK || len(said.Findings) < 6 {
		t.Fatalf("%d %s %v", got.status, got.body, err)
	}
	for _, f := range said.Findings {
		if f.Text == "" || strings.HasPrefix(f.Text, "directory.finding") || f.Code == "sample" && !f.OK {
			t.Errorf("%+v", f)
		}
	}
	before := theirs.Connections()
	got = c.do(http.MethodPost, api+"/directory/test", `{"urls":["`+theirs.URL+`"]}`)
	if got.status != http.StatusUnprocessableEntity || got.code() != string(problem.DirectoryPassword) || theirs.Connections() != before {
		t.Errorf("another server: %d %s", got.status, got.body)
	}
	// Tries are counted, whoever makes them.
	for range 3 {
		got = c.do(http.MethodPost, api+"/directory/test", `{"bind_dn":"cn=other"}`)
	}
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
		t.Errorf("one try too many: %d %s", got.status, got.body)
	}
}
