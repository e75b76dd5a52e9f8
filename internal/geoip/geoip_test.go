package geoip_test

import (
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/geoip"
	"kunci.dev/kunci/internal/geoip/geoiptest"
	"kunci.dev/kunci/internal/store/storetest"
)

func find(d *geoip.Database, address, lang string) [2]string {
	city, country := d.Find(netip.MustParseAddr(address), lang)
	return [2]string{city, country}
}

func TestPlacesAreFoundInTheirLanguage(t *testing.T) {
	t.Parallel()
	path := geoiptest.Write(t, filepath.Join(t.TempDir(), "city.mmdb"), geoiptest.Bandung("203.0.113.0/24"), geoiptest.Bandung("2001:db8::/32"),
		geoiptest.Place{Network: "198.51.100.0/24", Country: map[string]string{"en": "Singapore", "id": "Singapura"}},
		geoiptest.Place{Network: "192.0.2.0/24"})
	d, err := geoip.Open(path, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		address, lang string
		want          [2]string
	}{
		{"203.0.113.9", "id", [2]string{"Kota Bandung", "Indonesia"}}, // which has no Indonesian name of its own
		{"203.0.113.9", "en", [2]string{"Bandung", "Indonesia"}},
		{"203.0.113.9", "xx", [2]string{"Bandung", "Indonesia"}},
		{"::ffff:203.0.113.9", "en", [2]string{"Bandung", "Indonesia"}},
		{"2001:db8::7", "en", [2]string{"Bandung", "Indonesia"}},
		{"198.51.100.1", "id", [2]string{"", "Singapura"}},
		{"192.0.2.1", "id", [2]string{"", ""}},
		{"8.8.8.8", "id", [2]string{"", ""}},
	} {
		if got := find(d, c.address, c.lang); got != c.want {
			t.Errorf("%s in %s: %q, want %q", c.address, c.lang, got, c.want)
		}
	}
	if got := func() [2]string { city, country := d.Find(netip.Addr{}, "en"); return [2]string{city, country} }(); got != [2]string{} {
		t.Errorf("no address: %q", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := find(d, "203.0.113.9", "en"); got != [2]string{} {
		t.Errorf("closed: %q", got)
	}
	kind, built, err := geoip.Check(path)
	if err != nil || kind != "Test-City" || built.IsZero() {
		t.Errorf("%q, %v, %v", kind, built, err)
	}
}

// A file that is moved into place is used within seconds, while others ask; one
// that is no database leaves the one before.
func TestAChangedFileIsOpenedAgain(t *testing.T) {
	t.Parallel()
	clock := storetest.NewClock()
	path := geoiptest.Write(t, filepath.Join(t.TempDir(), "city.mmdb"), geoiptest.Bandung("203.0.113.0/24"))
	d, err := geoip.Open(path, slog.New(slog.DiscardHandler), clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	var askers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		askers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					find(d, "203.0.113.9", "en")
				}
			}
		})
	}
	for n, change := range []struct {
		do   func()
		want string
	}{
		{func() {
			geoiptest.Write(t, path, geoiptest.Place{Network: "203.0.113.0/24", City: map[string]string{"en": "Medan"}})
		}, "Medan"},
		{func() {
			bad := filepath.Join(t.TempDir(), "bad")
			if err := os.WriteFile(bad, []byte("no database"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(bad, path); err != nil {
				t.Fatal(err)
			}
		}, "Medan"},
		{func() { geoiptest.Write(t, path, geoiptest.Bandung("203.0.113.0/24")) }, "Bandung"},
	} {
		change.do()
		clock.Advance(6 * time.Second)
		if got := find(d, "203.0.113.9", "en"); got[0] != change.want {
			t.Errorf("after change %d: %q, want %q", n, got[0], change.want)
		}
	}
	close(done)
	askers.Wait()
}

func TestAFileThatIsNoDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "city.mmdb")
	if _, err := geoip.Open(path, slog.New(slog.DiscardHandler), time.Now); err == nil {
		t.Error("one that is not there opens")
	}
	if err := os.WriteFile(path, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := geoip.Open(path, slog.New(slog.DiscardHandler), time.Now); err == nil {
		t.Error("a text opens")
	}
	if _, _, err := geoip.Check(path); err == nil {
		t.Error("a text is whole")
	}
}
