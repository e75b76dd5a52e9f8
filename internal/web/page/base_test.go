package page

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
)

func TestWaitsAreSaidInUnitsPeopleUse(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Second: "1 minute", time.Minute: "1 minute", 61 * time.Second: "2 minutes", time.Hour: "60 minutes",
		119 * time.Minute: "119 minutes", 119*time.Minute + time.Second: "2 hours", 2 * time.Hour: "2 hours",
		23*time.Hour + 59*time.Minute: "24 hours", 24 * time.Hour: "24 hours",
	} {
		b := Base{printer: i18n.For("en")}
		if got := b.Span(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}

func TestARefusalSaysHowLong(t *testing.T) {
	for d, want := range map[time.Duration]string{24 * time.Hour: "Try again in 24 hours.", time.Minute: "Try again in 1 minute."} {
		var b Base
		b.Refuse(problem.New(problem.Blocked).After(d), "en")
		if text := b.Alert.Text; len(text) < len(want) || text[len(text)-len(want):] != want {
			t.Errorf("%v: %q", d, text)
		}
	}
}
