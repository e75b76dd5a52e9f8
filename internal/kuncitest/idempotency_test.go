package kuncitest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

func countOf(p *kuncitest.Product, kind audit.Kind) (n int) {
	for _, e := range p.Events() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

func TestARequestWithAKeyActsOnce(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		person := api + "/people/" + keyOf(t, p, "alain@contoso.com")
		var all sync.WaitGroup
		answers := make([]answer, 50)
		for i := range answers {
			all.Go(func() {
				answers[i] = c.do(http.MethodPost, person+"/clear_limits", "", "Idempotency-Key", `"one"`)
			})
		}
		all.Wait()
		acted := 0
		for _, got := range answers {
			switch {
			case got.status < 300 && got.header.Get("Idempotency-Replayed") == "":
				acted++
			case got.status < 300:
			case got.status == http.StatusConflict && got.code() == string(problem.IdempotencyRunning) && got.header.Get("Retry-After") != "":
			default:
				t.Errorf("%d %s", got.status, got.body)
			}
		}
		if n := countOf(p, audit.ThrottleCleared); acted != 1 || n != 1 {
			t.Errorf("50 requests acted %d times, %d are recorded", acted, n)
		}
		// With or without quotes it is the same key, and the answer is the same.
		again := c.do(http.MethodPost, person+"/clear_limits", "", "Idempotency-Key", "one")
		if again.header.Get("Idempotency-Replayed") != "true" || again.status >= 300 || countOf(p, audit.ThrottleCleared) != 1 {
			t.Errorf("again: %d %v", again.status, again.header)
		}
		if again.header.Get("RateLimit") == "" || again.header.Get("Cache-Control") != "no-store" {
			t.Errorf("a repeated answer lacks a header: %v", again.header)
		}
		for name, got := range map[string]answer{
			"another act":    c.do(http.MethodPost, person+"/revoke_sessions", "", "Idempotency-Key", "one"),
			"another person": c.do(http.MethodPost, api+"/people/"+keyOf(t, p, "citra@contoso.com")+"/clear_limits", "", "Idempotency-Key", "one"),
		} {
			if got.status != http.StatusUnprocessableEntity || got.code() != string(problem.IdempotencyMismatch) {
				t.Errorf("%s: %d %s", name, got.status, got.body)
			}
		}
		// The key of another program is another one; without a key every request acts.
		newProgram(t, p, "contoso", org.Owner).do(http.MethodPost, person+"/clear_limits", "", "Idempotency-Key", "one")
		c.do(http.MethodPost, person+"/clear_limits", "")
		if n := countOf(p, audit.ThrottleCleared); n != 3 {
			t.Errorf("%d acts, want 3", n)
		}
		// A refusal is the answer, too.
		for range 2 {
			if got := c.do(http.MethodPost, api+"/people/nobody/clear_limits", "", "Idempotency-Key", "two"); got.status != http.StatusNotFound {
				t.Errorf("nobody: %d %s", got.status, got.body)
			}
		}
		for _, bad := range []string{``, `""`, `"open`, `a b`, "ä", strings.Repeat("x", 256)} {
			if got := c.do(http.MethodPost, person+"/clear_limits", "", "Idempotency-Key", bad); got.status != http.StatusBadRequest {
				t.Errorf("key %q: %d", bad, got.status)
			}
		}
		if got := c.do(http.MethodPost, api+"/imports", "user_id\n", "Idempotency-Key", "file"); got.status != http.StatusBadRequest {
			t.Errorf("a file: %d %s", got.status, got.body)
		}
	})
}

// A pass is told once: not even its own request gets it again, and none is made twice.
func TestAPassIsNotToldAgain(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		path := api + "/people/" + keyOf(t, p, "alain@contoso.com") + "/pass"
		first := c.do(http.MethodPost, path, `{}`, "Idempotency-Key", "pass")
		if first.status >= 300 {
			t.Fatalf("%d %s", first.status, first.body)
		}
		second := c.do(http.MethodPost, path, `{}`, "Idempotency-Key", "pass")
		if second.status != http.StatusConflict || second.code() != string(problem.IdempotencyOnce) {
			t.Errorf("again: %d %s", second.status, second.body)
		}
		if n := countOf(p, audit.TapIssued); n != 1 {
			t.Errorf("%d passes", n)
		}
	})
}

// What was refused for now did nothing: its key is free, and the same request acts
// when it may.
func TestAKeyIsFreeAfterARefusalForNow(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", org.Owner)
		made := c.do(http.MethodPost, api+"/webhooks", `{"url":"https://127.0.0.1/in"}`)
		var hook struct{ ID string }
		if err := json.Unmarshal([]byte(made.body), &hook); err != nil {
			t.Fatal(err)
		}
		try := func(header ...string) answer {
			return c.do(http.MethodPost, api+"/webhooks/"+hook.ID+"/test", "", header...)
		}
		for range 30 {
			try()
		}
		if got := try("Idempotency-Key", "late"); got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" {
			t.Fatalf("%d %s", got.status, got.body)
		}
		p.Clock.Advance(11 * time.Minute)
		if got := try("Idempotency-Key", "late"); got.status != http.StatusOK || got.header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := try("Idempotency-Key", "late"); got.status != http.StatusOK || got.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%d %s", got.status, got.body)
		}
	})
}
