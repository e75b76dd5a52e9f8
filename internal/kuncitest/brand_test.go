package kuncitest_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
)

var brandSheet = regexp.MustCompile(`<link rel="stylesheet" href="(/brand/[^"]+)">`)

func TestAnOrganizationShowsItsColorFromAFileOfItsOwn(t *testing.T) {
	colored := strings.Replace(kuncitest.Contoso, "language: id", "language: id\nbranding: {color: \"#ffcc00\"}", 1)
	p := kuncitest.Start(t, kuncitest.Options{Organization: colored, Accounts: kuncitest.People})
	page := p.Browser().Get("/reset").Want(http.StatusOK, "reset-identify")
	found := brandSheet.FindStringSubmatch(page.Body)
	if found == nil || !strings.Contains(found[1], "ffcc00") {
		t.Fatalf("no style sheet with an address of this color:\n%s", page.Body)
	}
	sheet := p.Browser().Get(found[1])
	if sheet.Status != http.StatusOK || sheet.Header.Get("Content-Type") != "text/css; charset=utf-8" || !strings.Contains(sheet.Body, "--accent:") ||
		!strings.Contains(sheet.Header.Get("Cache-Control"), "max-age") {
		t.Errorf("%d %v\n%s", sheet.Status, sheet.Header, sheet.Body)
	}
	p.Apply(kuncitest.Contoso)
	if page := p.Browser().Get("/reset"); strings.Contains(page.Body, "/brand/") {
		t.Error("an organization without a color has a style sheet")
	}
	for _, path := range []string{"/brand/contoso.css", "/brand/nobody.css", "/brand/contoso"} {
		if page := p.Browser().Get(path); page.Status != http.StatusNotFound {
			t.Errorf("%s: %d", path, page.Status)
		}
	}
}

func TestPagesFallBackToTheLanguageOfTheOrganization(t *testing.T) {
	english := strings.Replace(kuncitest.Contoso, "language: id", "language: en", 1)
	p := kuncitest.Start(t, kuncitest.Options{Organization: english, Accounts: kuncitest.People})
	for accepted, want := range map[string]string{"": "en", "xx": "en", "id": "id", "en-GB": "en"} {
		b := kuncitest.NewBrowser(t, p.URL)
		b.Header.Set("Accept-Language", accepted)
		if page := b.Get("/reset"); page.Header.Get("Content-Language") != want {
			t.Errorf("%q: %s, want %s", accepted, page.Header.Get("Content-Language"), want)
		}
	}
}

func TestSecurityTextNamesTheOnlyOrganizationsSupport(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{})
	page := p.Browser().Get("/.well-known/security.txt")
	if page.Status != http.StatusOK || !strings.Contains(page.Body, "Contact: mailto:helpdesk@contoso.example\nExpires: ") {
		t.Errorf("%d\n%s", page.Status, page.Body)
	}
	p.Apply("organization: fabrikam\nname: Fabrikam\ndomains: [fabrikam.com]\n")
	if page := p.Browser().Get("/.well-known/security.txt"); page.Status != http.StatusNotFound {
		t.Errorf("with two organizations: %d\n%s", page.Status, page.Body)
	}
}

// Events get their place in the log while the node runs, not only when it stops.
func TestEventsAreSequencedWhileTheNodeRuns(t *testing.T) {
	p := kuncitest.Start(t, kuncitest.Options{})
	b := p.Browser()
	b.Get("/reset")
	b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
	waiting, again := time.After(20*time.Second), time.NewTicker(50*time.Millisecond)
	defer again.Stop()
	for {
		events := p.Events()
		sequenced := len(events) > 0
		for _, e := range events {
			sequenced = sequenced && e.Leaf >= 0
		}
		if sequenced {
			return
		}
		select {
		case <-waiting:
			t.Fatal("after 20 seconds events still wait for their place")
		case <-again.C:
		}
	}
}
