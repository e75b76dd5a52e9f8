package kuncitest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// twoNodes are two whole nodes on one PostgreSQL.
func twoNodes(t *testing.T, o kuncitest.Options) [2]*kuncitest.Product {
	t.Helper()
	o.Kind = store.PostgreSQL
	first := kuncitest.Start(t, o)
	o.Settings = func(c *config.Config) {
		c.Database, c.Keyset, c.SMTP = first.App.Config.Database, first.App.Config.Keyset, first.App.Config.SMTP
	}
	return [2]*kuncitest.Product{first, kuncitest.Start(t, o)}
}

// atNode is a browser with another's cookies at a node.
func atNode(p *kuncitest.Product, b *kuncitest.Browser) *kuncitest.Browser {
	other := p.Browser()
	for _, c := range b.Cookies() {
		other.SetCookie(c.Name, c.Value)
	}
	return other
}

// split sends n forms at once, every other one to each node.
func split(t *testing.T, nodes [2]*kuncitest.Product, b *kuncitest.Browser, path string, n int, form func(int) url.Values) (pages []*kuncitest.Page) {
	t.Helper()
	start := make(chan struct{})
	var mu sync.Mutex
	var group sync.WaitGroup
	for i := range n {
		window := atNode(nodes[i%2], b)
		group.Go(func() {
			<-start
			page, err := window.Do(http.MethodPost, path, form(i))
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Error(err)
				return
			}
			pages = append(pages, page)
		})
	}
	close(start)
	group.Wait()
	return pages
}

// Guesses that are spread over two nodes are as few as those at one, what is right is
// right once, and what ended at one node has ended at the other.
func TestTwoNodesGiveNoMoreThanOne(t *testing.T) {
	t.Parallel()
	nodes := twoNodes(t, officeOptions())
	p := nodes[0]

	// A code: five guesses, and then not even the right one.
	b := p.Browser()
	toCode(t, b, "alain@contoso.com")
	code := p.Code(1)
	split(t, nodes, b, "/reset/verify", 40, func(i int) url.Values { return url.Values{"action": {"verify"}, "code": {fmt.Sprintf("%08d", i)}} })
	if n := count(p, audit.ResetGateFailed); n != 5 {
		t.Errorf("%d guesses at a code were judged, want five", n)
	}
	for _, node := range nodes {
		if page := atNode(node, b).Post("/reset/verify", "code", code, "action", "verify"); page.Name() == "reset-password" {
			t.Error("the right code after five wrong ones")
		}
	}

	// A right code and a new password: once each.
	b = p.Browser()
	toCode(t, b, "mega@contoso.com")
	code = p.Code(2)
	split(t, nodes, b, "/reset/verify", 10, func(int) url.Values { return url.Values{"action": {"verify"}, "code": {code}} })
	if n := count(p, audit.ResetGatePassed); n != 1 {
		t.Errorf("one code passed %d gates", n)
	}
	split(t, nodes, b, "/reset/password", 6, func(i int) url.Values {
		pw := fmt.Sprintf("%s %d", newPassword, i)
		return url.Values{"new_password": {pw}, "confirm_password": {pw}}
	})
	if n := count(p, audit.ResetCompleted); n != 1 {
		t.Errorf("%d resets were completed", n)
	}
	right := 0
	for i := range 6 {
		if password(t, p, "mega@contoso.com", fmt.Sprintf("%s %d", newPassword, i)) == directory.OK {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d passwords are right", right)
	}

	// A password: ten wrong ones lock.
	b = p.Browser()
	toPassword(t, b, "citra@contoso.com")
	split(t, nodes, b, "/signin/password", 40, func(i int) url.Values { return url.Values{"password": {fmt.Sprintf("wrong %d", i)}} })
	if n := failures(p, "signin-wrong"); n != 10 {
		t.Errorf("%d wrong passwords were judged, want ten", n)
	}
	if page := atNode(nodes[1], b).Post("/signin/password", "password", kuncitest.OldPassword); page.Alert() != "signin-locked" {
		t.Errorf("the right one at the other node: %q", page.Alert())
	}

	// The code of an app: one session is raised by it.
	_, shows := app(t, p, "adele@contoso.com")
	b = p.Browser()
	signIn(t, b, "adele@contoso.com", kuncitest.OldPassword)
	code = shows()
	split(t, nodes, b, "/signin/verify", 10, func(int) url.Values { return url.Values{"code": {code}} })
	if n := count(p, audit.SignInSucceeded); n != 1 {
		t.Errorf("one code of an app signed in %d times", n)
	}

	// Signed out at one node.
	b = p.Browser()
	signIn(t, b, "alain@contoso.com", kuncitest.OldPassword)
	beside := atNode(nodes[1], b)
	if !isIn(beside) {
		t.Fatal("not signed in at the other node")
	}
	b.Post("/signout")
	if isIn(beside) {
		t.Error("signed out, and in at the other node")
	}

	// A key of the API: revoked at one node, and one request under two.
	c := newProgram(t, p, "contoso", org.Owner)
	there := *c
	there.base = nodes[1].URL
	key := keyOf(t, p, "alain@contoso.com")
	before := count(p, audit.ThrottleCleared)
	var group sync.WaitGroup
	for i := range 6 {
		who := []*program{c, &there}[i%2]
		group.Go(func() {
			who.do(http.MethodPost, api+"/people/"+key+"/clear_limits", "", "Idempotency-Key", "once")
		})
	}
	group.Wait()
	if n := count(p, audit.ThrottleCleared) - before; n != 1 {
		t.Errorf("a request with a key acted %d times", n)
	}
	keys, err := p.App.APIKeys(t.Context(), "contoso")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.App.RevokeAPIKey(t.Context(), "contoso", keys[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := there.do(http.MethodGet, api+"/people", ""); got.status != http.StatusUnauthorized {
		t.Errorf("revoked, and good at the other node: %d", got.status)
	}
}
