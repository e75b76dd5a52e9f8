package bench

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/store"
)

// BenchmarkStartForEverybody measures the first form of a reset for those that
// nobody may tell apart, in turn, and gives each one's median over the registered
// account's. The goal is 1, within noise.
func BenchmarkStartForEverybody(b *testing.B) {
	whom := []string{"registered", "unregistered", "unknown", "nowhere"}
	userIDs := []string{"alain@contoso.com", "citra@contoso.com", "nobody@contoso.com", "nobody@nowhere.example"}
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		b.Run(string(kind), func(b *testing.B) {
			p := kuncitest.Start(b, kuncitest.Options{Kind: kind, Hash: password.DefaultParams})
			browser := p.Browser().StayingPut()
			if _, err := browser.Do(http.MethodGet, "/reset", nil); err != nil {
				b.Fatal(err)
			}
			times := make([][]time.Duration, len(whom))
			for b.Loop() {
				for i, userID := range userIDs {
					p.Clock.Advance(time.Hour)
					began := time.Now()
					page, err := browser.Do(http.MethodPost, "/reset", url.Values{"user_id": {userID}, "reason": {"forgot"}})
					if err != nil || page.Status != http.StatusSeeOther {
						b.Fatalf("%s: %v, %v", userID, page, err)
					}
					times[i] = append(times[i], time.Since(began))
				}
			}
			middle := func(of []time.Duration) float64 {
				slices.Sort(of)
				return float64(of[len(of)/2])
			}
			registered := middle(times[0])
			for i, name := range whom {
				b.ReportMetric(middle(times[i])/registered, name+"/registered")
			}
		})
	}
}
