package i18n_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
)

func TestMatch(t *testing.T) {
	for _, test := range []struct{ header, fallback, want string }{
		{"", "id", "id"},
		{"", "xx", "en"},
		{"id-ID,id;q=0.9,en;q=0.8", "en", "id"},
		{"in", "en", "id"}, // the code Indonesian had before 1989; old Android still sends it
		{"ms-MY", "en", "id"},
		{"en-GB", "id", "en"},
		{"ja", "id", "id"},
		{"de-DE,en;q=0.5", "id", "en"},
		{"*", "id", "id"},
		{"!!! not a header", "id", "id"},
	} {
		if got := i18n.Match(test.header, test.fallback); got != test.want {
			t.Errorf("Match(%q, %q) = %q, want %q", test.header, test.fallback, got, test.want)
		}
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("id-ID,id;q=0.9")
	f.Add(";;;q=9999")
	f.Fuzz(func(t *testing.T, header string) {
		if got := i18n.Match(header, "id"); !i18n.Known(got) {
			t.Fatalf("Match(%q) gave the unknown language %q", header, got)
		}
	})
}

func TestDatesAndNumbers(t *testing.T) {
	at := time.Date(2026, 11, 3, 8, 5, 9, 0, time.FixedZone("WIB", 7*3600))
	for lang, want := range map[string][3]string{
		"en": {"3 November 2026 at 01:05 UTC", "3 November 2026", "1,234"},
		"id": {"3 November 2026 pukul 01.05 UTC", "3 November 2026", "1.234"},
	} {
		p := i18n.For(lang)
		got := [3]string{p.DateTime(at), p.Date(at), p.Number(1234)}
		if got != want {
			t.Errorf("%s: %q, want %q", lang, got, want)
		}
	}
}

func TestTimesAreThoseOfTheZone(t *testing.T) {
	at := time.Date(2026, 11, 3, 18, 5, 9, 0, time.UTC)
	for zone, want := range map[string]string{
		"":                  "3 November 2026 pukul 18.05 UTC",
		"Asia/Jakarta":      "4 November 2026 pukul 01.05 WIB",
		"Asia/Jayapura":     "4 November 2026 pukul 03.05 WIT",
		"America/Sao_Paulo": "3 November 2026 pukul 15.05 UTC−03",
		"Nowhere/Land":      "3 November 2026 pukul 18.05 UTC",
	} {
		p := i18n.For("id").In(zone)
		if got := p.DateTime(at); got != want {
			t.Errorf("in %q: %q, want %q", zone, got, want)
		}
		if got := p.Day(at); got != "3 November 2026" {
			t.Errorf("a day of figures in %q: %q", zone, got)
		}
	}
	for _, name := range []string{"Local", "WIB+7", "../etc/passwd", "Asia/jakarta\x00", "Asia"} {
		if _, ok := i18n.Zone(name); ok {
			t.Errorf("%q is taken for a time zone", name)
		}
	}
}

func TestAMissingKeyIsShownNotHidden(t *testing.T) {
	if got := i18n.For("id").T("no.such.key"); got != "no.such.key" {
		t.Errorf("got %q", got)
	}
	if i18n.For("id").Has("no.such.key") {
		t.Error("Has finds a key that is not there")
	}
	if !i18n.For("id").Has("language.name") {
		t.Error("Has misses a key that is there")
	}
}

func TestPrinterOfAnUnknownLanguageIsEnglish(t *testing.T) {
	if got := i18n.For("xx").Lang(); got != "en" {
		t.Errorf("got %q", got)
	}
}
