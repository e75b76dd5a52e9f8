package jobs_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strconv"
	"testing"
	"time"

	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// The child takes a job, says so and never finishes it; the test kills it.
const attemptsEnv = "KUNCI_JOBS_TEST_ATTEMPTS"

func TestMain(m *testing.M) { storetest.Main(m, child) }

func child(url string) {
	ctx := context.Background()
	attempts, err := strconv.Atoi(os.Getenv(attemptsEnv))
	if err != nil {
		panic(err)
	}
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		panic(err)
	}
	s, err := jobs.New(jobs.Deps{DB: db, Log: slog.Default(), RescueAfter: time.Hour})
	if err != nil {
		panic(err)
	}
	s.Handle("survive", func(context.Context, jobs.Job) error {
		_, _ = os.Stdout.WriteString("taken\n")
		select {} // until it is killed
	})
	if err := s.Start(ctx); err != nil {
		panic(err)
	}
	err = db.Write(ctx, func(tx *store.Tx) error { return s.Enqueue(ctx, tx, "survive", nil, jobs.MaxAttempts(attempts)) })
	if err != nil {
		panic(err)
	}
	select {}
}

// killed starts a node that takes the job "survive", kills it while it does
// it, and gives a service on the same database that has not started yet.
func killed(t *testing.T, kind store.Kind, attempts int) *jobs.Service {
	t.Helper()
	url := storetest.URL(t, kind)
	node := storetest.Child(t, url, attemptsEnv+"="+strconv.Itoa(attempts))
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "taken\n" {
		t.Fatalf("the node said %q, error %v", line, err)
	}
	storetest.Kill(t, node)
	db, err := store.Open(t.Context(), url, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s, err := jobs.New(jobs.Deps{DB: db, Log: slog.New(slog.DiscardHandler), RescueAfter: 3 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAKilledNodesJobRunsAgain(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := killed(t, kind, 5)
			done := make(chan int, 10)
			s.Handle("survive", func(_ context.Context, j jobs.Job) error { done <- j.Attempt; return nil })
			start(t, s)
			if attempt := wait(t, done); attempt != 2 {
				t.Errorf("the job came back as attempt %d, want 2", attempt)
			}
		})
	}
}

// A job that had its last attempt when its node was killed is not done again,
// and not forgotten either: whoever waits for it is told.
func TestAJobThatDiedAtItsLastAttemptIsGivenUp(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			s := killed(t, kind, 1)
			given := make(chan error, 10)
			s.Handle("survive", func(context.Context, jobs.Job) error { t.Error("done a second time"); return nil })
			s.OnGiveUp("survive", func(_ context.Context, _ jobs.Job, cause error) { given <- cause })
			start(t, s)
			if cause := wait(t, given); cause == nil {
				t.Error("given up without a cause")
			}
		})
	}
}
