package e2e

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"regexp"
	"testing"
	"time"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/demo"
)

// startDemo runs the demonstration until the test ends and gives its address.
func startDemo(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ready, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- app.Demo(ctx, demo.Options{
			Listen: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler), Ready: func(url string) { ready <- url },
		})
	}()
	t.Cleanup(stop)
	select {
	case url := <-ready:
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Errorf("the demo did not stop cleanly: %v", err)
			}
		})
		return url
	case err := <-ended:
		t.Fatalf("the demo does not start: %v", err)
	}
	return ""
}

var eightDigits, sixDigits = regexp.MustCompile(`\b\d{8}\b`), regexp.MustCompile(`\b\d{6}\b`)

// demoCode waits for the newest code that the demo's inbox holds for an address.
func demoCode(t *testing.T, url, to string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	for again := time.NewTicker(50 * time.Millisecond); ; {
		for _, e := range inbox(ctx, t, url) {
			if e.To == to && eightDigits.MatchString(e.Text) {
				return eightDigits.FindString(e.Text)
			}
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("no code for %s came", to)
		}
	}
}

func inbox(ctx context.Context, t *testing.T, url string) (entries []demo.Entry) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/demo/inbox.json", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	if err := json.NewDecoder(response.Body).Decode(&entries); err != nil {
		t.Fatal(err)
	}
	return entries
}

// A newcomer's first ten minutes: the page that introduces everybody, a reset with
// the code from the inbox, security info, the console. It is also what the
// pictures of the README are taken of.
func TestTheDemoInChromium(t *testing.T) {
	t.Parallel()
	phone := device{name: "demo-phone-id", width: 360, height: 740, language: "id", scripts: true}
	wide := device{name: "demo-wide-en", width: 1280, height: 860, language: "en", scripts: true}
	url := startDemo(t)

	b := openTab(t, url, phone)
	b.open("/demo", "demo").shot("1-people")
	b.leave().click(`[data-person="alain"] a[href^="/reset"]`).at("reset-identify")
	steps := []string{b.shot("2-identify").picture("2-identify")}
	b.press().at("reset-choose")
	b.press().at("reset-verify")
	code := demoCode(t, url, "alain@example.net")
	b.open("/demo/inbox", "demo-inbox").shot("4-inbox")
	b.open("/reset/verify", "reset-verify")
	steps = append(steps, b.shot("3-verify").picture("3-verify"))
	b.fill("code", code).press().at("reset-password")
	steps = append(steps, b.shot("5-password").picture("5-password"))
	b.fill("new_password", newPassword).fill("confirm_password", newPassword).press().at("reset-done")
	steps = append(steps, b.shot("6-done").picture("6-done"))
	picture(t, "reset", steps...)

	b = openTab(t, url, phone)
	shown := sixDigits.FindString(b.open("/demo", "demo").html(`[data-code="indah@contoso.com"]`))
	b.open("/signin", "signin").fill("user_id", "indah@contoso.com").press()
	b.at("signin-password").fill("password", demo.Password).press()
	b.at("signin-verify").fill("code", shown).press().at("security-info")
	info := []string{b.shot("7-security-info").picture("7-security-info")}
	b.open("/security-info/add", "security-info-add")
	info = append(info, b.shot("8-add").picture("8-add"))
	b.open("/help/methods", "help")
	info = append(info, b.shot("9-help").picture("9-help"))
	b.open("/console/requests", "console-requests").shot("10-requests")
	picture(t, "security-info", info...)

	b = openTab(t, url, wide)
	shown = sixDigits.FindString(b.open("/demo", "demo").html(`[data-code="adele@contoso.com"]`))
	b.shot("11-people")
	b.leave().click(`[data-person="adele"] a[href^="/console"]`).at("signin").fill("user_id", "adele@contoso.com").press()
	b.at("signin-password").fill("password", demo.Password).press()
	b.at("signin-verify").fill("code", shown).press().at("console-overview")
	picture(t, "console", b.shot("12-console").picture("12-console"))
	b.leave().click(`a[href="/security-info"]`).at("security-info").leave().click(`a[href="/console"]`).at("console-overview")
	b.open("/help", "help").shot("13-help")
}
