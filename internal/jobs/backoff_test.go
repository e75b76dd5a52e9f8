package jobs

import (
	"testing"
	"time"

	"github.com/riverqueue/river/rivertype"
)

func TestPausesDoubleUpToTenMinutesWithFullJitter(t *testing.T) {
	for failures, want := range []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second,
		64 * time.Second, 128 * time.Second, 256 * time.Second, 512 * time.Second, 10 * time.Minute, 10 * time.Minute,
	} {
		if got := longestPause(failures); got != want {
			t.Errorf("after %d failures at most %v, want %v", failures+1, got, want)
		}
		job := &rivertype.JobRow{Errors: make([]rivertype.AttemptError, failures)}
		low, high := want, time.Duration(0)
		for range 200 {
			pause := time.Until(backOff{}.NextRetry(job))
			low, high = min(low, pause), max(high, pause)
		}
		// 200 draws miss the lowest or the highest quarter once in 10^25.
		if low > want/4 || high < want*3/4 || high > want {
			t.Errorf("pauses go from %v to %v, want them anywhere up to %v", low, high, want)
		}
	}
	if got := longestPause(1000); got != topPause {
		t.Errorf("after very many failures %v", got)
	}
}
