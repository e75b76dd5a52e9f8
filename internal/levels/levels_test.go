package levels

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// house is the prefix of our own import paths.
const house = "kunci.dev/kunci/"

// levels from the top down. A package imports only from levels below its own.
var levels = [][]string{
	{"cmd/kunci"},
	{"internal/app"},
	{"internal/web", "internal/demo"},
	{"internal/web/portal", "internal/web/console", "internal/web/help", "internal/api"},
	{"internal/web/page"},
	{"internal/admin"},
	{"internal/privacy"},
	{"internal/reset", "internal/signin", "internal/report", "internal/webhook", "internal/stream"},
	{"internal/securityinfo", "internal/helpdesk", "internal/token"},
	{"internal/challenge"},
	{"internal/account"},
	{"internal/directory/embedded", "internal/directory/ldap", "internal/roster"},
	{"internal/password", "internal/notify", "internal/directory", "internal/captcha", "internal/provider", "internal/domain"},
	{"internal/org", "internal/session", "internal/password/breach", "internal/feedback"},
	{"internal/jobs", "internal/audit", "internal/method", "internal/throttle", "internal/wording", "internal/idempotency"},
	{"internal/store", "internal/secret", "internal/i18n", "internal/config", "internal/egress", "internal/geoip", "internal/contrast"},
	{"internal/problem", "internal/watch"},
}

// testsOnly are the packages above every level: no product package imports
// one, so they may import any.
var testsOnly = []string{
	"bench",
	"e2e",
	"internal/audit/audittest",
	"internal/directory/directorytest",
	"internal/domain/domaintest",
	"internal/directory/ldap/ldaptest",
	"internal/geoip/geoiptest",
	"internal/kuncitest",
	"internal/levels",
	"internal/notify/notifytest",
	"internal/org/orgtest",
	"internal/provider/providertest",
	"internal/secret/secrettest",
	"internal/store/storetest",
}

// doors are the modules that only some packages may import, by prefix.
var doors = map[string][]string{
	"github.com/riverqueue/river":   {"internal/jobs"},
	"github.com/jackc/pgx/":         {"internal/store", "internal/jobs", "internal/store/storetest"},
	"modernc.org/sqlite":            {"internal/store", "internal/jobs"},
	"github.com/tink-crypto/":       {"internal/secret"},
	"github.com/wneessen/go-mail":   {"internal/notify"},
	"github.com/spf13/cobra":        {"cmd/kunci"},
	"github.com/chromedp/":          {"e2e"},
	"github.com/danielgtaylor/huma": {"internal/api"},
	"github.com/go-ldap/":           {"internal/directory/ldap", "internal/directory/ldap/ldaptest"},
	"github.com/go-webauthn/":       {"internal/challenge"},
	"github.com/nyaruka/":           {"internal/method"},
	"code.dny.dev/ssrf":             {"internal/egress"},
	"github.com/coreos/go-oidc":     {"internal/provider"},
	"golang.org/x/oauth2":           {"internal/provider"},
	"github.com/SherClockHolmes/":   {"internal/notify"},
	"github.com/FastFilter/":        {"internal/password/breach"},
	"github.com/oschwald/":          {"internal/geoip"},
}

// listed is what "go list" says about one package.
type listed struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	Doc        string
}

// room is the package's path inside the house, "" when it is not ours.
func room(importPath string) string {
	path, ours := strings.CutPrefix(importPath, house)
	if !ours {
		return ""
	}
	return path
}

var packages = sync.OnceValues(func() ([]listed, error) {
	list := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles,Doc", "./...")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		return nil, errors.Join(err, stderr(err))
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func stderr(err error) error {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return errors.New(string(exit.Stderr))
	}
	return nil
}

func allPackages(t *testing.T) []listed {
	t.Helper()
	all, err := packages()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refused says why a package may not import another, "" when it may.
func refused(from, to string) string {
	level := func(room string) int {
		return slices.IndexFunc(levels, func(l []string) bool { return slices.Contains(l, room) })
	}
	switch {
	case slices.Contains(testsOnly, from):
		return ""
	case slices.Contains(testsOnly, to):
		return "imports a package for tests"
	case level(from) < 0 || level(to) < 0:
		return "has a room without a level"
	case level(to) == level(from):
		return "imports its own level"
	case level(to) < level(from):
		return "imports upward"
	}
	return ""
}

func TestImportsGoDown(t *testing.T) {
	for _, p := range allPackages(t) {
		from := room(p.ImportPath)
		if len(p.GoFiles) == 0 && !slices.Contains(testsOnly, from) {
			continue // a folder of tests that lives inside no room
		}
		if refused(from, "internal/problem") == "has a room without a level" {
			t.Errorf("%s has no level; give it one in internal/levels/levels_test.go", from)
			continue
		}
		for _, path := range p.Imports {
			to := room(path)
			if to == "" {
				continue
			}
			if why := refused(from, to); why != "" {
				t.Errorf("%s %s: %s", from, why, to)
			}
		}
	}
}

// The rule itself, so that a mistake in it is not mistaken for a tidy house.
func TestTheRuleRefusesWhatItShould(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"internal/reset", "internal/challenge", ""},
		{"internal/challenge", "internal/reset", "imports upward"},
		{"internal/reset", "internal/signin", "imports its own level"},
		{"internal/reset", "internal/nowhere", "has a room without a level"},
		{"internal/nowhere", "internal/store", "has a room without a level"},
		{"internal/reset", "internal/store/storetest", "imports a package for tests"},
		{"internal/store/storetest", "internal/jobs", ""},
		{"internal/problem", "internal/store", "imports upward"},
	} {
		if got := refused(c.from, c.to); got != c.want {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

func TestARoomHasOneLevel(t *testing.T) {
	seen := make(map[string]bool)
	for _, rooms := range append(slices.Clone(levels), testsOnly) {
		for _, r := range rooms {
			if seen[r] {
				t.Errorf("%s is listed twice", r)
			}
			seen[r] = true
		}
	}
}

func TestModulesStayBehindTheirDoors(t *testing.T) {
	for _, p := range allPackages(t) {
		for _, path := range p.Imports {
			for prefix, allowed := range doors {
				if strings.HasPrefix(path, prefix) && !slices.Contains(allowed, room(p.ImportPath)) {
					t.Errorf("%s imports %s, which only %s may", room(p.ImportPath), path, strings.Join(allowed, ", "))
				}
			}
		}
	}
}
