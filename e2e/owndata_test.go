package e2e

import (
	"bytes"
	"os"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// On a phone somebody keeps a file of their data, and asks for it to be erased.
func TestOwnDataInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			b := openTabFor(t, p.URL, on, 2*patience)
			b.signIn(p, "alain@contoso.com")
			b.visit("/security-info", "security-info").leave().click(`a[href="/security-info/data"]`).at("own-data").shot("own-1-data")
			file := b.keep(t.TempDir(), `button[value="download"]`, "kunci-my-data.json")
			if text, err := os.ReadFile(file); err != nil || !bytes.Contains(text, []byte("alain@example.net")) {
				t.Errorf("the file: %v %s", err, text)
			}
			b.fill("message", "Saya pindah kerja.").leave().click(`button[value="erase"]`).at("own-data").shot("own-2-asked")
		})
	}
}
