package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// oidcProvider runs an OpenID provider that is somebody else's work, for one
// address to come back to, until the test ends.
func oidcProvider(t *testing.T, back string) (issuer string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed; run: make parts")
	}
	if _, err := os.Stat(filepath.Join("node_modules", "oidc-provider")); err != nil {
		t.Fatal("oidc-provider is not installed; run: make parts")
	}
	command := exec.Command(node, "oidc_provider.mjs", back)
	command.Stderr = os.Stderr
	in, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends it
		if err := command.Wait(); err != nil {
			t.Errorf("the provider: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the provider does not start: %v", err)
	}
	return strings.TrimSpace(line)
}

// oidcContoso is Contoso with that provider.
func oidcContoso(t *testing.T, issuer string) string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("a secret of the browser tests\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return kuncitest.Contoso + fmt.Sprintf(`identity_provider:
  name: Contoso ID
  issuer: %s
  client_id: kunci
  client_secret_file: %s
  allowed_networks: [127.0.0.0/8, "::1/128"]
`, issuer, secret)
}

// there signs in on the pages of the provider, which know already who comes.
func (b *tab) there(userID string) *tab {
	b.t.Helper()
	b.run("waiting for the provider", chromedp.WaitVisible(`[name="login"]`, chromedp.ByQuery))
	if got := b.attribute(`[name="login"]`, "value"); got != userID {
		b.t.Errorf("the provider was told that %q comes", got)
	}
	b.fill("password", "whatever is typed there")
	b.enter(`form:has([name="login"]) button[type="submit"]`)
	return b.enter(`form:has([name="prompt"][value="consent"]) button[type="submit"]`) // what they let us know
}

// enter presses a button of the provider's by the keyboard: a click goes to a point,
// which on a busy machine may be beside a button that moved since it was looked for.
func (b *tab) enter(selector string) *tab {
	b.t.Helper()
	b.run("entering "+selector, chromedp.WaitVisible(selector, chromedp.ByQuery), chromedp.SendKeys(selector, "\r", chromedp.ByQuery))
	return b
}

// People whose password is somebody else's sign in there, look after their
// methods, and are not taken for whoever used the computer before.
func TestOIDCSigningInAtARealProviderInChromium(t *testing.T) {
	t.Parallel()
	for i, on := range devices[:3] {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: []store.Kind{store.PostgreSQL, store.SQLite, store.SQLite}[i], WallClock: true})
			p.Apply(oidcContoso(t, oidcProvider(t, p.URL+"/signin/provider/contoso")))
			b := openTab(t, p.URL, on)
			b.open("/security-info", "signin").fill("user_id", "fitri@contoso.com").press().at("signin-password").shot("o1-password")
			b.click(`form[action="/signin/provider"] button`).there("fitri@contoso.com")
			b.at("security-info").shot("o2-in")
			// A change takes a fresh proof, which the provider gives.
			b.open("/security-info/add?kind=recovery_code", "signin-verify").shot("o3-again")
			b.press().at("security-info-add").shot("o4-add")
			b.open("/security-info", "security-info").leave().click(`form[action="/signout"] button`)
			b.at("signout-provider").shot("o7-left").leave().click(`main a[href="/signin"]`).at("signin")
			// Somebody else at the same computer, who is still her there.
			b.fill("user_id", "alain@contoso.com").press().to("signin-password")
			b.leave().click(`form[action="/signin/provider"] button`).at("signin-password").alert("provider-other").shot("o5-other")
			if !on.scripts {
				return // the provider's own page between two people needs them
			}
			b.click(`form[action="/signin/provider"] button`).there("alain@contoso.com")
			b.at("security-info").shot("o6-alain")
			// They leave both: the provider asks whether they mean it, and sends them back.
			b.leave().click(`form[action="/signout"] button`).to("signout-provider")
			b.press().enter(`button[name="logout"]`).at("signout-provider").shot("o8-out")
			b.open("/signin", "signin").fill("user_id", "alain@contoso.com").press().to("signin-password")
			b.click(`form[action="/signin/provider"] button`).there("alain@contoso.com") // nobody is signed in there
			b.to("security-info")
		})
	}
}
