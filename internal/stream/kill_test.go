package stream_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/stream"
)

// The child sends, says so and never notes it; the test kills it.
const fileEnv = "KUNCI_STREAM_TEST_FILE"

func TestMain(m *testing.M) { storetest.Main(m, child) }

// stuck hands over and does not come back.
type stuck struct{ stream.Sink }

func (s stuck) Send(ctx context.Context, events []stream.Event) error {
	if err := s.Sink.Send(ctx, events); err != nil {
		panic(err)
	}
	_, _ = os.Stdout.WriteString("sent\n")
	select {}
}

func child(url string) {
	ctx := context.Background()
	db, err := store.Open(ctx, url, store.Options{})
	if err != nil {
		panic(err)
	}
	keys, err := secret.Generate() // people stay sealed, so any keys do
	if err != nil {
		panic(err)
	}
	log, err := audit.New(audit.Deps{DB: db, Keys: keys, Origin: "kunci.test/audit", Log: slog.Default()})
	if err != nil {
		panic(err)
	}
	orgs, err := org.New(org.Deps{Audit: log})
	if err != nil {
		panic(err)
	}
	target := stream.Target{Name: "json", Sink: stuck{stream.NewLines(os.Getenv(fileEnv))}, History: true}
	s, err := stream.New(stream.Deps{DB: db, Audit: log, Orgs: orgs, Log: slog.Default(), Targets: []stream.Target{target}})
	if err != nil {
		panic(err)
	}
	panic(s.Run(ctx))
}

// A node that is killed after it sent and before it noted so makes duplicates, and
// no holes.
func TestAKilledNodeLosesNothing(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			url, file := storetest.URL(t, kind), filepath.Join(t.TempDir(), "audit.ndjson")
			clock := storetest.NewClock()
			db, err := store.Open(t.Context(), url, store.Options{Now: clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			r := &room{t: t, db: db, audit: audittest.New(t, db), clock: clock}
			r.org, r.orgs = orgtest.Contoso(t, db, r.audit)
			r.happen(20)
			node := storetest.Child(t, url, fileEnv+"="+file)
			out, err := node.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := node.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 5)
			if _, err := io.ReadFull(out, line); err != nil || string(line) != "sent\n" {
				t.Fatalf("the node said %q, error %v", line, err)
			}
			storetest.Kill(t, node)
			r.happen(5)
			r.run(r.service(stream.Target{Name: "json", Sink: stream.NewLines(file), History: true}))
			leaves := leavesOf(t, read(t, file))
			inOrder(t, leaves, 0, r.size())
			if len(leaves) <= int(r.size()) {
				t.Errorf("%d lines for %d events: the child was not killed where it matters", len(leaves), r.size())
			}
		})
	}
}
