package geoip

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"

	"kunci.dev/kunci/internal/watch"
)

// Database is a file that is opened again when it changes.
type Database struct {
	file *watch.File[*maxminddb.Reader]
	log  *slog.Logger
}

// Open opens the file at path. It fails on one that is no MaxMind database.
func Open(path string, log *slog.Logger, now func() time.Time) (*Database, error) {
	open := func(path string) (*maxminddb.Reader, error) { return maxminddb.Open(path) }
	file, err := watch.Open(path, "the database of places", open, log, now)
	if err != nil {
		return nil, fmt.Errorf("the database of places %s cannot be used: %w", path, err)
	}
	return &Database{file, log}, nil
}

// Check reads the whole file and says what it is and when it was made.
func Check(path string) (kind string, built time.Time, err error) {
	reader, err := maxminddb.Open(path)
	if err != nil {
		return "", time.Time{}, err
	}
	defer func() { _ = reader.Close() }() // it was only read
	if err := reader.Verify(); err != nil {
		return "", time.Time{}, err
	}
	return reader.Metadata.DatabaseType, reader.Metadata.BuildTime(), nil
}

// record is what is read of an address: the fields that city and country
// databases share.
type record struct {
	City    names `maxminddb:"city"`
	Country names `maxminddb:"country"`
}

type names struct {
	Names map[string]string `maxminddb:"names"`
}

// in gives the name in a language, else in English, which every file has.
func (n names) in(lang string) string { return cmp.Or(n.Names[lang], n.Names["en"]) }

// Find gives the names of the city and the country of an address in a language
// (ISO 639-1); empty where they are unknown.
func (d *Database) Find(a netip.Addr, lang string) (city, country string) {
	if !a.IsValid() {
		return "", ""
	}
	d.file.Use(func(reader *maxminddb.Reader) {
		var r record
		if err := reader.Lookup(a.WithZone("").Unmap()).Decode(&r); err != nil {
			d.log.Warn("the database of places cannot tell", "error", err)
			return
		}
		city, country = r.City.in(lang), r.Country.in(lang)
	})
	return city, country
}

// Close lets go of the file. Afterwards every place is unknown.
func (d *Database) Close() error { return d.file.Close() }
