package kuncitest_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
)

// bulkSend sends a file as the form of the page does and gives where it leads.
func bulkSend(t *testing.T, p *kuncitest.Product, b *kuncitest.Browser, name, file string) (status int, location, body string) {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(part, file)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+"/console/people/import", &form)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", w.FormDataContentType())
	request.Header.Set("Origin", p.URL)
	for _, c := range b.Cookies() {
		request.AddCookie(c)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header.Get("Location"), string(data)
}

// bulkUntil asks for the page again, as its link does, until the step is over.
func bulkUntil(t *testing.T, b *kuncitest.Browser, path, state string) *kuncitest.Page {
	t.Helper()
	var page *kuncitest.Page
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for range 400 {
		page = b.Get(path).Want(http.StatusOK, "console-imported")
		if strings.Contains(page.Text(), state) {
			return page
		}
		<-tick.C
	}
	t.Fatalf("%s does not come to %q:\n%s", path, state, page.Text())
	return nil
}

const bulkFile = `user_id,display_name,password,email,mobile_phone
new@contoso.com,=HYPERLINK(1),another ladder window,new@example.net,+6281234567890
alain@contoso.com,Alain Baru,,,
owner@contoso.com,Mallory,,,
authentication_admin@contoso.com,Mallory,,,
citra@contoso.com,,another ladder window,,
nobody@else.example,,,,
`

// An account file through the console: checked, shown, applied, and everyone
// exported again, with nothing private in full.
func TestBulkThroughTheConsole(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "authentication_admin@contoso.com", true)
		b.Get("/console/people").Want(http.StatusOK, "console-people")
		b.Get("/console/people/import").Want(http.StatusOK, "console-import")
		if status, _, body := bulkSend(t, p, b, "people.exe", bulkFile); status != http.StatusUnprocessableEntity || !strings.Contains(body, `data-error="file-kind"`) {
			t.Errorf("a file of no kind: %d", status)
		}
		status, at, _ := bulkSend(t, p, b, "people.csv", bulkFile)
		if status != http.StatusSeeOther {
			t.Fatalf("sent: %d", status)
		}
		page := bulkUntil(t, b, at, "Waiting for your decision")
		if !strings.Contains(page.Text(), "not in a domain of the organization") {
			t.Errorf("the bad rows are not named:\n%s", page.Text())
		}
		// Whoever has no right, and whoever is elsewhere, sees nothing of it.
		atDesk(t, p, "helpdesk@contoso.com", true).Get(at).Want(http.StatusForbidden, "error")
		if _, err := p.App.Import(t.Context(), "fabrikam", strings.NewReader("user_id\nowner@fabrikam.com\n"), account.CSV, account.ImportOptions{}); err != nil {
			t.Fatal(err)
		}
		stranger := atDesk(t, p, "owner@fabrikam.com", true)
		stranger.Get(at).Want(http.StatusNotFound, "error")
		stranger.Get(at+"/bad.csv").Want(http.StatusNotFound, "error")
		stranger.Post(at, "act", "cancel").Want(http.StatusNotFound, "error")
		if page := b.Post(at, "act", "apply"); page.Alert() != "bad-rows" {
			t.Errorf("applied with bad rows: %d %s", page.Status, page.Alert())
		}
		b.Post(at, "act", "apply", "skip_bad", "yes").Want(http.StatusOK, "console-imported")
		page = bulkUntil(t, b, at, "Done")
		status, hostile, _ := bulkSend(t, p, b, "people.ndjson", `{"user_id":"new@contoso.com","＝1+1":"x"}`)
		if status != http.StatusSeeOther {
			t.Fatalf("a hostile file: %d", status)
		}
		bulkUntil(t, b, hostile, "There is no such column")
		if bad := b.Get(hostile + "/bad.csv"); !strings.Contains(bad.Body, "1,'＝1+1,unknown-column,") {
			t.Errorf("a formula: %s", bad.Body)
		}
		bad := b.Get(at + "/bad.csv")
		for _, line := range []string{"4,user_id,rank,", "5,user_id,rank,", "6,password,password-kept,", "7,user_id,domain,"} {
			if !strings.Contains(bad.Body, line) {
				t.Errorf("bad rows without %q:\n%s", line, bad.Body)
			}
		}
		if text := page.Text(); !strings.Contains(text, "Done") {
			t.Errorf("%s", text)
		}
		export := b.Post("/console/people/export", "format", "csv")
		for _, want := range []string{"new@contoso.com,'=HYPERLINK(1)", "Alain Baru", "owner@contoso.com,Olga"} {
			if !strings.Contains(export.Body, want) {
				t.Errorf("the export lacks %q:\n%s", want, export.Body)
			}
		}
		for _, private := range []string{"6281234567890", "81234567890", "new@example.net", "olga@example.net", "harbour"} {
			if strings.Contains(export.Body, private) {
				t.Errorf("the export holds %q", private)
			}
		}
		b.Post("/console/people/export", "format", "xml").Want(http.StatusBadRequest, "error")
		made := 0
		for _, e := range audittest.Events(t, p.App.DB, p.App.Audit) {
			if e.Kind == audit.ExportCreated && e.Reason == "people" && e.Actor.UserID == "authentication_admin@contoso.com" {
				made++
			}
		}
		if made != 1 {
			t.Errorf("%d events of the export", made)
		}
	})
}

// The same through the API; a key that was revoked meanwhile changes nobody.
func TestBulkThroughTheAPI(t *testing.T) {
	t.Parallel()
	p := startConsole(t, "sqlite")
	c := newProgram(t, p, "contoso", org.Owner)
	state := func(at string) (s struct {
		ID, State        string
		Created, Updated int
	}) {
		got := c.do(http.MethodGet, at, "")
		if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return s
	}
	until := func(at, want string) {
		t.Helper()
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for range 400 {
			if state(at).State == want {
				return
			}
			<-tick.C
		}
		t.Fatalf("%s is %+v, not %s", at, state(at), want)
	}
	send := func(file string) string {
		t.Helper()
		got := c.do(http.MethodPost, api+"/imports", file, "Content-Type", "application/x-ndjson")
		if got.status != http.StatusAccepted {
			t.Fatalf("%d %s", got.status, got.body)
		}
		return got.header.Get("Location")
	}
	var people strings.Builder
	for n := range 1200 { // more than any other body may have
		fmt.Fprintf(&people, "{\"user_id\":\"bulk%d@contoso.com\",\"email\":\"bulk%d@example.net\"}\n", n, n)
	}
	at := send(people.String())
	if got := c.do(http.MethodPost, api+"/imports", "{}", "Content-Type", "application/x-ndjson"); got.code() != "import-live" {
		t.Errorf("a second one: %d %s", got.status, got.body)
	}
	until(at, "checked")
	other := newProgram(t, p, "fabrikam", org.Owner)
	for _, path := range []string{at, strings.Replace(at, "contoso", "fabrikam", 1)} {
		if got := other.do(http.MethodGet, path, ""); got.status != http.StatusNotFound {
			t.Errorf("another organization's key at %s: %d", path, got.status)
		}
	}
	if got := c.do(http.MethodPost, at+"/apply", `{}`); got.status != http.StatusAccepted {
		t.Fatalf("%d %s", got.status, got.body)
	}
	until(at, "done")
	if s := state(at); s.Created != 1200 {
		t.Errorf("%+v", s)
	}
	if got := c.do(http.MethodPost, at+"/cancel", `{}`); got.status != http.StatusPreconditionFailed {
		t.Errorf("stopped when done: %d", got.status)
	}
	export := c.do(http.MethodPost, api+"/exports", "")
	if n := strings.Count(export.body, "\n"); n != 1208 || export.header.Get("Content-Type") != "application/x-ndjson" || strings.Contains(export.body, "bulk7@example.net") {
		t.Errorf("%d lines of %s", n, export.header.Get("Content-Type"))
	}
	if got := c.do(http.MethodPost, api+"/imports", "user_id\n", "Content-Type", "text/plain"); got.status != http.StatusBadRequest {
		t.Errorf("a file of no kind: %d", got.status)
	}
	if got := c.do(http.MethodPost, api+"/imports", strings.Repeat("x", 65<<10)+"\n", "Content-Type", "text/csv"); !strings.Contains(got.body, string(account.BulkUnreadable)) {
		t.Errorf("no account file: %d %s", got.status, got.body)
	}
}
