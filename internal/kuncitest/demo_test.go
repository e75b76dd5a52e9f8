package kuncitest_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	product "kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/demo"
	"kunci.dev/kunci/internal/kuncitest"
)

// startDemo runs the demonstration until the test ends and gives its address.
func startDemo(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- product.Demo(ctx, demo.Options{Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Ready: func(url string) { ready <- url }})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the demo did not stop cleanly: %v", err)
		}
	})
	select {
	case url := <-ready:
		return url
	case err := <-ended:
		ended <- nil
		t.Fatalf("the demo does not start: %v", err)
		return ""
	}
}

var (
	digits8 = regexp.MustCompile(`\b\d{8}\b`)
	appCode = regexp.MustCompile(`data-code="([^"]+)">(\d{6})<`)
)

// until asks until something is there.
func until(t *testing.T, what string, there func() bool) {
	t.Helper()
	patience, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	for tick := time.NewTicker(50 * time.Millisecond); !there(); {
		select {
		case <-tick.C:
		case <-patience.Done():
			t.Fatalf("no %s came", what)
		}
	}
}

// mailed is the newest code in the demo's inbox for an address.
func mailed(t *testing.T, b *kuncitest.Browser, to string) (code string) {
	t.Helper()
	until(t, "code for "+to, func() bool {
		var entries []demo.Entry
		if err := json.Unmarshal([]byte(b.Get("/demo/inbox.json").Body), &entries); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.To == to && digits8.MatchString(e.Text) {
				code = digits8.FindString(e.Text)
				return true
			}
		}
		return false
	})
	return code
}

// Everybody whom /demo introduces stands where it says.
func TestEverybodyInTheDemoStandsWhereItSays(t *testing.T) {
	url := startDemo(t)
	browser := func() *kuncitest.Browser {
		b := kuncitest.NewBrowser(t, url)
		b.Header.Set("Accept-Language", "en")
		return b
	}
	start := func(userID, reason string) (*kuncitest.Browser, *kuncitest.Page) {
		b := browser()
		b.Get("/reset")
		return b, b.Post("/reset", "user_id", userID, "reason", reason)
	}
	for userID, want := range map[string]string{
		"citra@contoso.com": "not-verified", "lina@contoso.com": "not-verified", "eko@contoso.com": "not-enabled", "fitri@contoso.com": "not-managed",
	} {
		if _, page := start(userID, "forgot"); page.Name() != "reset-problem" || page.Problem() != want {
			t.Errorf("%s: %q %q, want %s", userID, page.Name(), page.Problem(), want)
		}
	}
	for userID, want := range map[string]string{
		"alain@contoso.com": "Get a code by e-mail", "budi@contoso.com": "Enter a code from your authenticator app",
		"joko@contoso.com": "Get a code on your mobile phone", "dewi@contoso.com": "Step 1 of 2",
	} {
		if _, page := start(userID, "forgot"); page.Name() != "reset-choose" || !strings.Contains(page.Text(), want) {
			t.Errorf("%s: %q, want %q in\n%s", userID, page.Name(), want, page.Text())
		}
	}
	// The owner and the helpdesk come in with what /demo shows, and see who asked.
	var desk *kuncitest.Browser
	for _, userID := range []string{"adele@contoso.com", "indah@contoso.com"} {
		b := browser()
		signIn(t, b, userID, demo.Password)
		for _, shown := range appCode.FindAllStringSubmatch(b.Get("/demo").Body, -1) {
			if shown[1] == userID {
				b.Post("/signin/verify", "code", shown[2])
			}
		}
		b.Get("/console").Want(http.StatusOK, "console-overview")
		requests := b.Get("/console/requests").Want(http.StatusOK, "console-requests")
		if !strings.Contains(requests.Text(), "lina@contoso.com") || !requests.Has("/security-info") {
			t.Errorf("%s sees %q", userID, requests.Text())
		}
		desk = b
	}
	desk.Get("/console/people")
	found := desk.Post("/console/people", "q", "gilang").Links("/console/people/")
	if len(found) != 1 {
		t.Fatalf("looking for Gilang finds %q", found)
	}
	until(t, "lock of Gilang's account", func() bool { return strings.Contains(desk.Get(found[0]).Text(), "Locked by wrong passwords") })
	// Hana chooses her first password, Gilang keeps his and is unlocked.
	for userID, c := range map[string]struct{ reason, email, want string }{
		"hana@contoso.com":   {"never_received", "hana@example.net", "reset-password"},
		"gilang@contoso.com": {"locked", "gilang@example.net", "unlock-done"},
	} {
		b, choose := start(userID, c.reason)
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "verify", "code", mailed(t, b, c.email)).Want(http.StatusOK, c.want)
	}
	wantAt(t, signIn(t, browser(), "gilang@contoso.com", demo.Password), "/security-info")
}
