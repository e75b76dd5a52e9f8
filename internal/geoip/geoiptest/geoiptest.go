// Package geoiptest writes small databases of places, for tests.
package geoiptest

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/maxmind/mmdbwriter"
	"github.com/maxmind/mmdbwriter/mmdbtype"
)

// Place is where the addresses of a network are, by language; both may be empty.
type Place struct {
	Network       string
	City, Country map[string]string
}

// Write makes a file of places, renamed to where it belongs as an operator would, and gives its path.
func Write(t testing.TB, path string, places ...Place) string {
	t.Helper()
	// The ranges of the documentation stand for real ones.
	tree, err := mmdbwriter.New(mmdbwriter.Options{DatabaseType: "Test-City", Description: map[string]string{"en": "Places of a test"}, RecordSize: 24, IncludeReservedNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range places {
		_, network, err := net.ParseCIDR(p.Network)
		if err != nil {
			t.Fatal(err)
		}
		record := mmdbtype.Map{"location": mmdbtype.Map{"latitude": mmdbtype.Float64(-6.9)}}
		for field, by := range map[string]map[string]string{"city": p.City, "country": p.Country} {
			if by == nil {
				continue
			}
			names := mmdbtype.Map{}
			for lang, name := range by {
				names[mmdbtype.String(lang)] = mmdbtype.String(name)
			}
			record[mmdbtype.String(field)] = mmdbtype.Map{"names": names}
		}
		if err := tree.Insert(network, record); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "new.mmdb"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.WriteTo(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		t.Fatal(err)
	}
	return path
}

// Bandung is a place of which everything is known.
func Bandung(network string) Place {
	return Place{
		Network: network, City: map[string]string{"en": "Bandung", "id": "Kota Bandung"},
		Country: map[string]string{"en": "Indonesia", "ja": "インドネシア"},
	}
}
