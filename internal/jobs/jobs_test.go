package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const patience = 60 * time.Second

func service(t testing.TB, db *store.DB) *jobs.Service {
	t.Helper()
	s, err := jobs.New(jobs.Deps{DB: db, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func start(t testing.TB, s *jobs.Service) {
	t.Helper()
	if err := s.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
}

func wait[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func TestAJobHappensExactlyWhenItsTransactionCommits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		s := service(t, db)
		done := make(chan string, 10)
		s.Handle("greet", func(_ context.Context, j jobs.Job) error {
			var name string
			err := json.Unmarshal(j.Payload, &name)
			done <- name
			return err
		})
		refusal := errors.New("refused")
		err := db.Write(ctx, func(tx *store.Tx) error {
			if err := s.Enqueue(ctx, tx, "greet", "rolled back"); err != nil {
				return err
			}
			return refusal
		})
		if !errors.Is(err, refusal) {
			t.Fatal(err)
		}
		start(t, s)
		for _, name := range []string{"first", "second"} {
			if err := db.Write(ctx, func(tx *store.Tx) error { return s.Enqueue(ctx, tx, "greet", name) }); err != nil {
				t.Fatal(err)
			}
			if got := wait(t, done); got != name {
				t.Errorf("got %q, want %q", got, name)
			}
		}
	})
}

func TestAThousandJobsOnTwoNodesRunOnceEach(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			url := storetest.URL(t, kind)
			nodes := 2
			if kind == store.SQLite {
				nodes = 1 // SQLite has one node by design
			}
			const all = 1000
			done := make(chan int, all*2)
			var first *jobs.Service
			var firstDB *store.DB
			for range nodes {
				db, err := store.Open(ctx, url, store.Options{})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = db.Close() })
				s := service(t, db)
				s.Handle("count", func(_ context.Context, j jobs.Job) error {
					var n int
					err := json.Unmarshal(j.Payload, &n)
					done <- n
					return err
				})
				start(t, s)
				first, firstDB = s, db
			}
			err := firstDB.Write(ctx, func(tx *store.Tx) error {
				for n := range all {
					if err := first.Enqueue(ctx, tx, "count", n); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			seen := make(map[int]int)
			for range all {
				seen[wait(t, done)]++
			}
			for n, times := range seen {
				if times != 1 {
					t.Errorf("job %d ran %d times", n, times)
				}
			}
			if len(seen) != all {
				t.Errorf("%d different jobs ran, want %d", len(seen), all)
			}
		})
	}
}

func TestAFailedJobIsTriedAgainAndGivenUpOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(t, db)
		attempts := make(chan jobs.Job, 10)
		given := make(chan jobs.Job, 10)
		s.Handle("fails", func(_ context.Context, j jobs.Job) error { attempts <- j; panic("broken") })
		s.Handle("final", func(_ context.Context, j jobs.Job) error { attempts <- j; return jobs.Discard(errors.New("no use")) })
		for _, kind := range []string{"fails", "final"} {
			s.OnGiveUp(kind, func(_ context.Context, j jobs.Job, cause error) {
				if cause == nil {
					t.Error("given up without a cause")
				}
				given <- j
			})
		}
		start(t, s)
		enqueue(t, db, s, "fails", nil, jobs.MaxAttempts(2))
		if a, b := wait(t, attempts), wait(t, attempts); a.Attempt != 1 || b.Attempt != 2 || a.Last() || !b.Last() {
			t.Errorf("attempts %+v and %+v", a, b)
		}
		if j := wait(t, given); j.Kind != "fails" {
			t.Errorf("gave up %+v", j)
		}
		enqueue(t, db, s, "final", nil)
		wait(t, attempts)
		if j := wait(t, given); j.Kind != "final" || j.Attempt != 1 {
			t.Errorf("gave up %+v", j)
		}
	})
}

func TestPeriodicWorkRunsWhenTheQueueStarts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(t, db)
		ran := make(chan struct{}, 10)
		s.Every("sweep", time.Hour, func(context.Context) error { ran <- struct{}{}; return nil })
		start(t, s)
		wait(t, ran)
	})
}

func TestStopLetsARunningJobFinish(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		s := service(t, db)
		running, release := make(chan struct{}), make(chan struct{})
		var finished sync.WaitGroup
		finished.Add(1)
		s.Handle("slow", func(ctx context.Context, _ jobs.Job) error {
			close(running)
			<-release
			finished.Done()
			return ctx.Err()
		})
		if err := s.Start(context.WithoutCancel(ctx)); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error { return s.Enqueue(ctx, tx, "slow", nil) }); err != nil {
			t.Fatal(err)
		}
		wait(t, running)
		stopped := make(chan error, 1)
		go func() { stopped <- s.Stop(context.Background()) }()
		close(release)
		if err := wait(t, stopped); err != nil {
			t.Fatal(err)
		}
		finished.Wait()
	})
}

// enqueue writes one job in a transaction of its own.
func enqueue(t *testing.T, db *store.DB, s *jobs.Service, kind string, payload any, o ...jobs.Option) {
	t.Helper()
	ctx := t.Context()
	if err := db.Write(ctx, func(tx *store.Tx) error { return s.Enqueue(ctx, tx, kind, payload, o...) }); err != nil {
		t.Fatal(err)
	}
}

func TestOneUnfinishedJobOfAKey(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(t, db)
		done := make(chan string, 10)
		s.Handle("tidy", func(_ context.Context, j jobs.Job) error { done <- string(j.Payload); return nil })
		s.Handle("other", func(_ context.Context, j jobs.Job) error { done <- string(j.Payload); return nil })
		for n := range 3 {
			enqueue(t, db, s, "tidy", n, jobs.Unique("a")) // the first alone counts
		}
		enqueue(t, db, s, "tidy", 10, jobs.Unique("b"))
		enqueue(t, db, s, "other", 20, jobs.Unique("a"))
		start(t, s)
		seen := make(map[string]bool)
		for range 3 {
			seen[wait(t, done)] = true
		}
		if !seen["0"] || !seen["10"] || !seen["20"] {
			t.Errorf("ran %v", seen)
		}
		select {
		case p := <-done:
			t.Errorf("%s ran beside the first of its key", p)
		default:
		}
	})
}

func TestAJobWaitsForItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := service(t, db)
		ran := make(chan time.Time, 1)
		s.Handle("later", func(context.Context, jobs.Job) error { ran <- time.Now(); return nil })
		start(t, s)
		due := time.Now().Add(time.Second)
		enqueue(t, db, s, "later", nil, jobs.At(due))
		if at := wait(t, ran); at.Before(due) {
			t.Errorf("ran %v before its time", due.Sub(at))
		}
	})
}

// A job of a kind that nobody does here waits for a node that does.
func TestAJobNobodyDoesIsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		first := service(t, db)
		other := make(chan struct{}, 1)
		first.Handle("other", func(context.Context, jobs.Job) error { other <- struct{}{}; return nil })
		if err := first.Start(context.WithoutCancel(t.Context())); err != nil {
			t.Fatal(err)
		}
		enqueue(t, db, first, "unknown", nil)
		enqueue(t, db, first, "other", nil)
		wait(t, other)
		if err := first.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
		second := service(t, db)
		done := make(chan struct{}, 1)
		second.Handle("unknown", func(context.Context, jobs.Job) error { done <- struct{}{}; return nil })
		start(t, second)
		wait(t, done)
	})
}

// River's makers test core and drivers of one version together, and SQLite's
// its own libc; a tidy that lifts one of them must not pass unnoticed.
func TestPinsBelongTogether(t *testing.T) {
	versions := make(map[string]string)
	list, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[path] = version
	}
	const core = "github.com/riverqueue/river"
	for _, part := range []string{"/riverdriver", "/riverdriver/riverpgxv5", "/riverdriver/riversqlite", "/rivershared", "/rivertype"} {
		if versions[core] == "" || versions[core+part] != versions[core] {
			t.Errorf("%s is at %q, the core at %q", core+part, versions[core+part], versions[core])
		}
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite").Output()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("modernc.org/libc %s\n", versions["modernc.org/libc"])
	if !strings.Contains(string(mod), want) {
		t.Errorf("modernc.org/libc is at %s, which is not what modernc.org/sqlite %s asks for", versions["modernc.org/libc"], versions["modernc.org/sqlite"])
	}
}
