package feedback_test

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/feedback"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

func room(t *testing.T, db *store.DB) *feedback.Service {
	t.Helper()
	s, err := feedback.New(db)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFeedbackIsKeptWithoutAPersonAndForAYear(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := room(t, db)
		want := feedback.Feedback{
			OrgID: "org", Article: "codes", Lang: "id", Helpful: true, Quality: 4, Affected: []string{"words", "length"}, Comment: "Terima kasih",
		}
		if err := s.Leave(t.Context(), "192.0.2.7", want); err != nil {
			t.Fatal(err)
		}
		want.Day = clock.Now().UTC().Truncate(24 * time.Hour)
		all, err := s.List(t.Context(), 10)
		if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], want) {
			t.Fatalf("kept %+v, %v, want %+v", all, err, want)
		}
		for _, step := range []struct {
			passes time.Duration
			left   int
		}{{feedback.Kept, 1}, {24 * time.Hour, 0}} {
			clock.Advance(step.passes)
			if err := db.Write(t.Context(), func(tx *store.Tx) error { return s.Purge(t.Context(), tx) }); err != nil {
				t.Fatal(err)
			}
			if all, err := s.List(t.Context(), 10); err != nil || len(all) != step.left {
				t.Errorf("after another %v: %d kept, %v, want %d", step.passes, len(all), err, step.left)
			}
		}
	})
}

func TestWhatIsNotFeedbackIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := room(t, db)
		good := feedback.Feedback{Article: "codes", Lang: "id"}
		for name, c := range map[string]struct {
			change func(f *feedback.Feedback)
			want   problem.Code
			field  string
		}{
			"a mark above the best": {func(f *feedback.Feedback) { f.Quality = 6 }, problem.BadInput, "language_quality"},
			"a mark below none":     {func(f *feedback.Feedback) { f.Quality = -1 }, problem.BadInput, "language_quality"},
			"an unknown name":       {func(f *feedback.Feedback) { f.Affected = []string{"weather"} }, problem.BadInput, "affected[]"},
			"a name twice":          {func(f *feedback.Feedback) { f.Affected = []string{"words", "words"} }, problem.BadInput, "affected[]"},
			"a comma in a name":     {func(f *feedback.Feedback) { f.Affected = []string{"words,steps"} }, problem.BadInput, "affected[]"},
			"a long comment":        {func(f *feedback.Feedback) { f.Comment = strings.Repeat("ä", feedback.MaxComment+1) }, problem.TooLong, "comment"},
		} {
			f := good
			c.change(&f)
			refusal, ok := problem.As(s.Leave(t.Context(), "192.0.2.7", f))
			if !ok || refusal.Code != c.want || refusal.Field != c.field {
				t.Errorf("%s: %v, want %s on %s", name, refusal, c.want, c.field)
			}
		}
		if all, err := s.List(t.Context(), 10); err != nil || len(all) != 0 {
			t.Errorf("kept %+v, %v", all, err)
		}
		f := good
		f.Comment = " ok\r\nline\x1b[31m\u202etxt\u200b\u0007\u2028end "
		if err := s.Leave(t.Context(), "192.0.2.7", f); err != nil {
			t.Fatal(err)
		}
		all, err := s.List(t.Context(), 10)
		if err != nil || len(all) != 1 || all[0].Comment != "ok\nline[31mtxt end" {
			t.Errorf("kept %+v, %v", all, err)
		}
	})
}

// Twenty at once from one network, and as many as come from everywhere.
func TestFeedbackIsCountedForANetworkAndForAll(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		s := room(t, db)
		f := feedback.Feedback{Article: "codes", Lang: "id"}
		var kept, refused atomic.Int32
		var wg sync.WaitGroup
		for n := range 20 {
			wg.Go(func() {
				err := s.Leave(t.Context(), fmt.Sprintf("2001:db8::%x", n), f)
				refusal, ok := problem.As(err)
				switch {
				case err == nil:
					kept.Add(1)
				case ok && refusal.Code == problem.Blocked && refusal.RetryAfter > 0:
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if kept.Load() != 5 || refused.Load() != 15 {
			t.Errorf("%d kept, %d refused, want 5 and 15", kept.Load(), refused.Load())
		}
		clock.Advance(time.Hour)
		for range 600 {
			if err := s.Leave(t.Context(), "2001:db8::1", f); err != nil && !problem.Has(err, problem.Blocked) {
				t.Fatal(err)
			}
		}
		for n := range 495 {
			if err := s.Leave(t.Context(), fmt.Sprintf("198.51.%d.%d", n/250, n%250), f); err != nil {
				t.Fatalf("number %d: %v", n, err)
			}
		}
		if err := s.Leave(t.Context(), "203.0.113.1", f); !problem.Has(err, problem.Blocked) {
			t.Errorf("number 501 of all in an hour: %v", err)
		}
	})
}
