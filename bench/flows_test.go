package bench

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
)

// inbox hands each person's code to whoever waits for it.
type inbox struct {
	mu    sync.Mutex
	boxes map[string]chan string
}

var codeInMail = regexp.MustCompile(`\b\d{8}\b`)

func (i *inbox) box(address string) chan string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.boxes[address] == nil {
		i.boxes[address] = make(chan string, 8)
	}
	return i.boxes[address]
}

// Send takes a mail; only those with a code are handed on.
func (i *inbox) Send(_ context.Context, m notify.Mail) error {
	if code := codeInMail.FindString(m.Text); code != "" {
		i.box(m.To) <- code
	}
	return nil
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

const newPassword = "tujuh kuda minum kopi"

// reset is one person's whole way: five forms and what they lead to.
func reset(b *kuncitest.Browser, mails *inbox, n int) error {
	steps := []struct {
		path string
		form url.Values
		page string
	}{
		{"/reset", nil, "reset-identify"},
		{"/reset", url.Values{"user_id": {fmt.Sprintf("p%d@contoso.com", n)}, "reason": {"forgot"}}, "reset-choose"},
		{"/reset/verify", url.Values{"action": {"send"}}, "reset-verify"},
		{"/reset/verify", url.Values{"action": {"verify"}}, "reset-password"},
		{"/reset/password", url.Values{"new_password": {newPassword}, "confirm_password": {newPassword}}, "reset-done"},
	}
	var page *kuncitest.Page
	for i, step := range steps {
		method := http.MethodPost
		switch i {
		case 0:
			method = http.MethodGet
		case 2:
			step.form.Set("method", page.Choices("method")[0])
		case 3:
			step.form.Set("code", <-mails.box(fmt.Sprintf("p%d@example.net", n)))
		}
		var err error
		if page, err = b.Do(method, step.path, step.form); err != nil {
			return err
		}
		if page.Name() != step.page {
			return fmt.Errorf("person %d: %d %s (%s %s), want %s", n, page.Status, page.Name(), page.Alert(), page.Problem(), step.page)
		}
	}
	return nil
}

// signIn is the sign-in with the new password afterwards.
func signIn(b *kuncitest.Browser, n int) error {
	for _, step := range []struct {
		path string
		form url.Values
		page string
	}{
		{"/signin", url.Values{"user_id": {fmt.Sprintf("p%d@contoso.com", n)}}, "/signin/password"},
		{"/signin/password", url.Values{"password": {newPassword}}, "/security-info"},
	} {
		page, err := b.Do(http.MethodPost, step.path, step.form)
		if err != nil {
			return err
		}
		if page.Path != step.page {
			return fmt.Errorf("person %d: %d at %s (%s), want %s", n, page.Status, page.Path, page.Alert(), step.page)
		}
	}
	return nil
}

// BenchmarkWholeReset measures whole flows, the client's work included:
// flows/s, CPU a flow, and that over the CPU of the one argon2id hash in it.
func BenchmarkWholeReset(b *testing.B) { whole(b, 1, reset) }

// BenchmarkResetAndSignIn is a whole flow and the sign-in after it: two hashes.
func BenchmarkResetAndSignIn(b *testing.B) {
	whole(b, 2, resetAndSignIn)
}

// whole runs a walk for many people, some at once.
func whole(b *testing.B, hashes time.Duration, walk func(browser *kuncitest.Browser, mails *inbox, n int) error) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		for _, atOnce := range []int{1, 8, 32} {
			b.Run(fmt.Sprintf("%s/%d", kind, atOnce), func(b *testing.B) {
				mails := &inbox{boxes: make(map[string]chan string)}
				var people strings.Builder
				for n := range b.N {
					fmt.Fprintf(&people, "{\"user_id\":\"p%d@contoso.com\",\"email\":\"p%d@example.net\"}\n", n, n)
				}
				var statements atomic.Int64
				p := kuncitest.Start(b, kuncitest.Options{
					Hash: password.DefaultParams,
					Kind: kind, Sender: mails, Accounts: people.String(),
					Trace: func(ctx context.Context, _ string) {
						if ctx.Value(http.ServerContextKey) != nil {
							statements.Add(1)
						}
					},
					Organization: strings.Replace(kuncitest.Contoso, "policy:", "policy:\n  captcha: off", 1),
				})
				work := make(chan int, b.N)
				for n := range b.N {
					work <- n
				}
				close(work)
				before := cpu()
				b.ResetTimer()
				var group sync.WaitGroup
				for range atOnce {
					group.Go(func() {
						for n := range work {
							if err := walk(p.Browser(), mails, n); err != nil {
								b.Error(err)
							}
						}
					})
				}
				group.Wait()
				b.StopTimer()
				each := (cpu() - before) / time.Duration(b.N)
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "flows/s")
				b.ReportMetric(float64(each.Microseconds())/1000, "cpu-ms/flow")
				b.ReportMetric(float64(statements.Load())/float64(b.N), "statements/flow")
				b.ReportMetric(float64(each)/float64(hashes*hashCPU(b)), "cpu/hash")
			})
		}
	}
}

// hashCPU is the CPU of one password hash on this machine, now.
func hashCPU(b *testing.B) time.Duration {
	b.Helper()
	h, err := password.New(password.HasherDeps{Keys: secrettest.NewTestKeyset(b)})
	if err != nil {
		b.Fatal(err)
	}
	const rounds = 10
	before := cpu()
	for range rounds {
		if _, err := h.Hash(b.Context(), newPassword, make([]byte, 16)); err != nil {
			b.Fatal(err)
		}
	}
	return (cpu() - before) / rounds
}
