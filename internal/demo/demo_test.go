package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
)

const site = "http://localhost:8080"

var start = time.Date(2026, 11, 23, 8, 0, 10, 0, time.UTC)

func testPages(t *testing.T) *pages {
	t.Helper()
	p, err := newPages(&Inbox{}, site, func() time.Time { return start }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func get(t *testing.T, p http.Handler, path, accept string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Accept-Language", accept)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func send(t *testing.T, p *pages, id string, body notify.Body) {
	t.Helper()
	m, err := notify.Render("en", "Contoso", "", body)
	if err != nil {
		t.Fatal(err)
	}
	m.To, m.MessageID, m.Date = "alain@example.net", id, start
	if err := p.inbox.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func TestPeoplePageInEveryLanguage(t *testing.T) {
	p := testPages(t)
	p.secrets = map[string][]byte{"budi@contoso.com": []byte("12345678901234567890")}
	for _, lang := range i18n.Languages() {
		w := get(t, p, "/demo", lang)
		body := w.Body.String()
		if w.Code != http.StatusOK || !strings.Contains(body, `<html lang="`+lang+`"`) || !strings.Contains(body, `data-page="demo"`) {
			t.Fatalf("%s: %d\n%s", lang, w.Code, body)
		}
		for _, who := range people {
			if !strings.Contains(body, `data-person="`+who.ID+`"`) || !strings.Contains(body, who.UserID) {
				t.Errorf("%s: %s is not introduced", lang, who.ID)
			}
		}
		if strings.Contains(body, ">demo.") || strings.Contains(body, "<no value>") {
			t.Errorf("%s: a key or a hole is shown", lang)
		}
		if strings.Count(body, "data-code=") != 1 {
			t.Errorf("%s: the app's code is not shown once", lang)
		}
	}
	if body := get(t, p, "/demo?lang=id", "en").Body.String(); !strings.Contains(body, `<html lang="id"`) {
		t.Error("the language cannot be chosen")
	}
}

// What there is to try is linked, and each person's reset begins with their user ID.
func TestThePeoplePageLeadsEverywhere(t *testing.T) {
	p := testPages(t)
	body := get(t, p, "/demo", "id").Body.String()
	for _, path := range []string{"/reset", "/signin", "/security-info", "/console", "/help"} {
		if !strings.Contains(body, `href="`+path+`?lang=id"`) {
			t.Errorf("no link to %s", path)
		}
	}
	for _, who := range people {
		if !strings.Contains(body, `href="/reset?user_id=`+strings.Replace(who.UserID, "@", "%40", 1)+`&amp;lang=id"`) {
			t.Errorf("no link to %s's reset", who.ID)
		}
	}
}

// The inbox reloads itself where its reader asked for that, and says how to stop it.
func TestTheInboxLooksByItselfUntilStopped(t *testing.T) {
	p := testPages(t)
	for path, want := range map[string]bool{"/demo/inbox": false, "/demo/inbox?lang=en": false, "/demo/inbox?follow&lang=en": true} {
		body := get(t, p, path, "en").Body.String()
		if got := strings.Contains(body, `<meta http-equiv="refresh" content="5">`); got != want {
			t.Errorf("%s reloads itself: %v", path, got)
		}
		if got := strings.Contains(body, "Stop looking by itself"); got != want {
			t.Errorf("%s can be stopped: %v", path, got)
		}
	}
}

// RFC 6238, appendix B: the last six of the eight digits for SHA-1.
func TestAppCode(t *testing.T) {
	for second, want := range map[int64]string{59: "287082", 1111111109: "081804", 1234567890: "005924"} {
		got, err := appCode([]byte("12345678901234567890"), time.Unix(second, 0))
		if err != nil || got != want {
			t.Errorf("at %d: %q, %v, want %q", second, got, err, want)
		}
	}
}

func TestInboxShowsMessages(t *testing.T) {
	p := testPages(t)
	if body := get(t, p, "/demo/inbox", "en").Body.String(); !strings.Contains(body, "Nothing has been sent yet") {
		t.Error("the empty inbox does not say so")
	}
	send(t, p, "1@x", notify.Code{Purpose: notify.PurposeReset, Code: "48151623", Minutes: 10, At: start})
	send(t, p, "2@x", notify.PasswordNotice{What: notify.PasswordReset, At: start, DisputeURL: site + "/reset/dispute/abc"})
	send(t, p, "2@x", notify.PasswordNotice{What: notify.PasswordReset, At: start, DisputeURL: site + "/reset/dispute/abc"})
	send(t, p, "3@x", notify.RequestNotice{UserID: "<script>alert(1)</script>", Text: "look at http://evil.example/x", At: start})

	var entries []Entry
	if err := json.Unmarshal(get(t, p, "/demo/inbox.json", "en").Body.Bytes(), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 || entries[0].MessageID != "3@x" || entries[2].Kind != notify.KindCode || !strings.Contains(entries[2].Text, "48151623") {
		t.Fatalf("entries %+v", entries)
	}
	body := get(t, p, "/demo/inbox", "en").Body.String()
	if !strings.Contains(body, "48151623") || !strings.Contains(body, `<a href="`+site+`/reset/dispute/abc">`) {
		t.Errorf("the inbox lacks the code or the link:\n%s", body)
	}
	if strings.Contains(body, "<script>") || strings.Contains(body, `href="http://evil`) {
		t.Error("the inbox shows a stranger's text as HTML or as a link")
	}
	if strings.Index(body, "1@x") > 0 || strings.Index(body, "asks for help") > strings.Index(body, "48151623") {
		t.Error("the newest is not first")
	}
	mail := get(t, p, "/demo/inbox/1", "en")
	if !strings.Contains(mail.Body.String(), "48151623") || !strings.Contains(mail.Header().Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("the HTML part: %d, policy %q", mail.Code, mail.Header().Get("Content-Security-Policy"))
	}
	if got := get(t, p, "/demo/inbox/99", "en").Code; got != http.StatusNotFound {
		t.Errorf("a message that is not there: %d", got)
	}
}

func TestInboxIsBoundedAndParallel(t *testing.T) {
	var b Inbox
	var wg sync.WaitGroup
	for i := range maxMessages + 50 {
		wg.Go(func() {
			if err := b.Send(t.Context(), notify.Mail{MessageID: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(b.All()); n != maxMessages {
		t.Errorf("%d messages kept", n)
	}
}

func TestNothingInlineNothingFromElsewhere(t *testing.T) {
	p := testPages(t)
	for _, path := range []string{"/demo", "/demo/inbox"} {
		w := get(t, p, path, "en")
		body := w.Body.String()
		for _, bad := range []string{"<style", " style=", "<script", " onclick", "http://", "https://"} {
			if strings.Contains(body, bad) {
				t.Errorf("%s holds %q", path, bad)
			}
		}
		for key, want := range map[string]string{
			"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			if got := w.Header().Get(key); got != want {
				t.Errorf("%s: %s is %q", path, key, got)
			}
		}
	}
	if w := get(t, p, "/demo/style.css", "en"); w.Code != http.StatusOK || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") {
		t.Errorf("the style: %d %q", w.Code, w.Header().Get("Content-Type"))
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/demo", nil)
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST gave %d", w.Code)
	}
}

func TestPeopleFileSaysWhatThePageSays(t *testing.T) {
	byUser := make(map[string]map[string]string)
	lines := bufio.NewScanner(bytes.NewReader(peopleFile))
	for lines.Scan() {
		var row map[string]string
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		byUser[row["user_id"]] = row
	}
	if len(byUser) != len(people) {
		t.Errorf("%d people in the file, %d on the page", len(byUser), len(people))
	}
	for _, p := range people {
		row := byUser[p.UserID]
		if row["display_name"] != p.Name || row["email"] != p.Email || (row["password"] != "") != p.Password {
			t.Errorf("%s differs between page and file", p.ID)
		}
	}
}

func TestRunMakesASetupAndCleansUp(t *testing.T) {
	var s Setup
	var told string
	done := errors.New("done")
	err := Run(t.Context(), Options{
		Listen: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Ready: func(url string) { told = url },
	}, func(_ context.Context, setup Setup) error {
		s = setup
		s.Ready()
		return done
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
	if !strings.HasPrefix(told, "http://localhost:") || told != s.PublicURL || s.Pages == nil || s.Sender == nil || s.Seed == nil {
		t.Errorf("setup %+v, told %q", s, told)
	}
	path := strings.TrimSuffix(strings.TrimPrefix(s.Database, "sqlite:"), "/kunci.db")
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the temporary folder is left: %v", err)
	}
	dir := t.TempDir()
	err = Run(t.Context(), Options{Listen: "127.0.0.1:0", Data: dir, Log: slog.New(slog.DiscardHandler)}, func(_ context.Context, s Setup) error {
		return os.WriteFile(strings.TrimPrefix(s.Database, "sqlite:"), nil, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir + "/kunci.db"); err != nil {
		t.Errorf("the chosen folder was removed: %v", err)
	}
}

func TestInboxShowsTextsAndCalls(t *testing.T) {
	p := testPages(t)
	for i, channel := range []notify.Channel{notify.ByText, notify.ByCall, notify.ByText} {
		m := notify.RenderPhone(channel, "en", "Contoso", "localhost", notify.Code{Purpose: notify.PurposeReset, Code: "48151623"})
		m.To, m.ID, m.Date = "+6281234567842", fmt.Sprint(min(i, 1)), start
		if i == 2 {
			m.ID = "0" // the first one again
		}
		if err := p.inbox.SendPhone(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	var entries []Entry
	if err := json.Unmarshal(get(t, p, "/demo/inbox.json", "en").Body.Bytes(), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Channel != "call" || entries[1].Channel != "sms" || entries[1].Kind != notify.KindCode || entries[1].To != "+6281234567842" {
		t.Errorf("entries %+v", entries)
	}
	body := get(t, p, "/demo/inbox", "en").Body.String()
	if !strings.Contains(body, "Text message") || !strings.Contains(body, "Phone call") || strings.Contains(body, "/demo/inbox/1\"") {
		t.Errorf("the inbox:\n%s", body)
	}
}
