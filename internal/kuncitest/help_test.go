package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

const fabrikam = `
organization: fabrikam
name: Fabrikam
domains: [fabrikam.com]
support: {phone: "+62 21 999"}
`

// Every page leads to the help, a dead end to the article about it, and the
// article names the organization and how to reach its helpdesk.
func TestEveryPageLeadsToTheHelpForIt(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	for path, want := range map[string]string{"/signin": "/help", "/reset": "/help/forgot-password", "/nothing/here": "/help", "/unsupported-browser": "/help/update-browser"} {
		if page := b.Get(path); !page.Has(want) {
			t.Errorf("%s: no link to %s", path, want)
		}
	}
	for userID, want := range map[string]string{"citra@contoso.com": "not-verified", "eko@contoso.com": "not-enabled", "fitri@contoso.com": "not-managed"} {
		b := p.Browser()
		b.Get("/reset")
		page := b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-problem")
		links := page.Links("/help/")
		if !slices.Equal(links, []string{"/help/" + want + "?org=contoso"}) {
			t.Errorf("%s: links %q", userID, links)
			continue
		}
		article := b.Get(links[0]).Want(http.StatusOK, "help")
		if text := article.Text(); !strings.Contains(text, "Contoso") || !article.Has("mailto:helpdesk@contoso.example") {
			t.Errorf("%s reads %q", want, text)
		}
		// The reset waits meanwhile.
		if page := b.Get("/reset/problem"); page.Problem() != want {
			t.Errorf("after reading the help: %q", page.Problem())
		}
	}
}

// With several organizations the link of a reset says which one it is.
func TestTheHelpKnowsWhoseItIs(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	p.Apply(fabrikam)
	b := p.Browser()
	for path, want := range map[string]string{"/help/codes?org=fabrikam": "Fabrikam", "/help/codes?org=contoso": "Contoso", "/help/codes": "organisasi Anda", "/help/codes?org=nobody": "organisasi Anda"} {
		page := b.Get(path).Want(http.StatusOK, "help")
		if !strings.Contains(page.Text(), "yang diberikan "+want) {
			t.Errorf("%s reads %q", path, page.Text())
		}
		for _, link := range page.Links("/help") {
			if strings.Contains(path, "=fabrikam") && !strings.Contains(link, "org=fabrikam") {
				t.Errorf("%s leads to %s", path, link)
			}
		}
	}
	if page := b.Get("/help/secrets"); page.Status != http.StatusNotFound {
		t.Errorf("an article that is not there: %d", page.Status)
	}
}

func TestReadersSayWhetherItHelped(t *testing.T) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: kind})
			b := p.Browser()
			b.Get("/help/codes").Want(http.StatusOK, "help")
			page := b.Post("/help/codes?org=contoso", "language_quality", "2", "affected[]", "words", "comment", "Terlalu <sulit>").Want(http.StatusUnprocessableEntity, "help")
			if page.Alert() != "required" {
				t.Errorf("alert %q", page.Alert())
			}
			if !strings.Contains(page.Body, `action="/help/codes?org=contoso#feedback"`) || strings.Count(page.Text(), "Kolom ini perlu diisi") != 2 {
				t.Errorf("the refusal is not said where the form is:\n%s", page.Text())
			}
			if typed, _ := page.Field("comment"); strings.TrimSpace(typed) != "Terlalu <sulit>" || !strings.Contains(page.Body, `value="words" checked`) {
				t.Errorf("what was typed is gone: %q", typed)
			}
			long := strings.Repeat("Terlalu sulit. ", 2000)
			if page := b.Post("/help/codes", "helpful", "no", "comment", long).Want(http.StatusUnprocessableEntity, "help"); page.Alert() != "too-long" || !strings.Contains(page.Body, long) {
				t.Errorf("a long comment: %q, and what was typed is gone", page.Alert())
			}
			for name, fields := range map[string][]string{
				"neither yes nor no": {"helpful", "maybe"}, "a mark of zero": {"helpful", "yes", "language_quality", "0"},
				"a mark of six": {"helpful", "yes", "language_quality", "6"}, "a name nobody offers": {"helpful", "yes", "affected[]", "weather"},
				"a long comment": {"helpful", "yes", "comment", strings.Repeat("x", 1001)},
			} {
				if page := b.Post("/help/codes", fields...); page.Status != http.StatusUnprocessableEntity || page.Name() != "help" {
					t.Errorf("%s: %d %q", name, page.Status, page.Name())
				}
			}
			thanks := b.Post("/help/codes", "helpful", "no", "language_quality", "2", "affected[]", "words", "affected[]", "steps", "comment", "Terlalu sulit").Want(http.StatusOK, "help")
			if !strings.Contains(thanks.Text(), "Terima kasih") || len(thanks.Choices("helpful")) > 0 {
				t.Errorf("after sending: %q", thanks.Text())
			}
			b.Post("/help", "helpful", "yes").Want(http.StatusOK, "help")
			said, err := p.App.ListHelpFeedback(t.Context(), 10)
			if err != nil {
				t.Fatal(err)
			}
			var lines []string
			for _, f := range said {
				lines = append(lines, fmt.Sprintf("%s %s %s %v %d %v %s", f.Organization, f.Article, f.Lang, f.Helpful, f.Quality, f.Affected, f.Comment))
			}
			slices.Sort(lines)
			want := []string{"contoso codes id false 2 [words steps] Terlalu sulit", "contoso list id true 0 [] "}
			if fmt.Sprint(lines) != fmt.Sprint(want) {
				t.Errorf("kept %q, want %q", lines, want)
			}
			for range 3 {
				b.Post("/help/codes", "helpful", "yes")
			}
			page = b.Post("/help/codes", "helpful", "yes")
			if page.Status != http.StatusTooManyRequests || page.Header.Get("Retry-After") == "" || page.Alert() != "blocked" {
				t.Errorf("the sixth of an hour: %d, Retry-After %q, alert %q", page.Status, page.Header.Get("Retry-After"), page.Alert())
			}
			for _, e := range p.Events() {
				if strings.Contains(string(e.Kind), "help") || strings.Contains(string(e.Kind), "feedback") {
					t.Errorf("an event says who: %+v", e)
				}
			}
		})
	}
}

// A field with brackets is taken by this form and by no other one.
func TestBracketsAreForOneFormAlone(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	for path, want := range map[string]int{"/reset": http.StatusBadRequest, "/signin": http.StatusBadRequest, "/help/codes": http.StatusOK} {
		b.Get("/reset")
		page, err := b.Do(http.MethodPost, path, url.Values{"affected[]": {"words"}, "helpful": {"yes"}, "user_id": {"a@contoso.com"}})
		if err != nil || page.Status != want {
			t.Errorf("%s: %d, %v, want %d", path, page.Status, err, want)
		}
	}
}

// Old browsers can read what to do about it.
func TestAnOldBrowserCanReadTheHelp(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	b := p.Browser()
	b.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko")
	b.Get("/help/update-browser").Want(http.StatusOK, "help")
}

// Administrators find the console from their security info, and back; nobody else
// is shown a door that is shut.
func TestTheConsoleAndSecurityInfoLeadToEachOther(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	for userID, want := range map[string]bool{"adele@contoso.com": true, "alain@contoso.com": false} {
		b := p.Browser()
		b.Get("/signin")
		b.Post("/signin", "user_id", userID)
		b.Post("/signin/password", "password", kuncitest.OldPassword)
		page := b.Get("/security-info").Want(http.StatusOK, "security-info")
		if page.Has("/console") != want || !page.Has("/help/methods") {
			t.Errorf("%s: links %q", userID, page.Links("/"))
		}
	}
}
