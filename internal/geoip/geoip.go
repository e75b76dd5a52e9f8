package geoip

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/oschwald/maxminddb-golang/v2"
)

// lookAgain is how often a changed file is looked for, at a question.
const lookAgain = 5 * time.Second

// Database is a file that is opened again when it changes.
type Database struct {
	path string
	log  *slog.Logger
	now  func() time.Time

	mu     sync.RWMutex
	reader *maxminddb.Reader
	seen   os.FileInfo // of the file that was looked at last; nil: there was none
	next   time.Time
}

// Open opens the file at path. It fails on one that is no MaxMind database.
func Open(path string, log *slog.Logger, now func() time.Time) (*Database, error) {
	d := &Database{path: path, log: log, now: now, next: now().Add(lookAgain)}
	d.seen = d.look()
	var err error
	if d.reader, err = maxminddb.Open(path); err != nil {
		return nil, fmt.Errorf("the database of places %s cannot be used: %w", path, err)
	}
	return d, nil
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
	d.refresh()
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.reader == nil {
		return "", ""
	}
	var r record
	if err := d.reader.Lookup(a.WithZone("").Unmap()).Decode(&r); err != nil {
		d.log.Warn("the database of places cannot tell", "file", d.path, "error", err)
		return "", ""
	}
	return r.City.in(lang), r.Country.in(lang)
}

func (d *Database) look() os.FileInfo {
	info, err := os.Stat(d.path)
	if err != nil {
		return nil
	}
	return info
}

// same tells whether a file is the one that was seen before.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// refresh opens a changed file.
func (d *Database) refresh() {
	now := d.now()
	d.mu.RLock()
	early := now.Before(d.next)
	d.mu.RUnlock()
	if early {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now.Before(d.next) || d.reader == nil {
		return
	}
	d.next = now.Add(lookAgain)
	found := d.look()
	if same(found, d.seen) {
		return
	}
	d.seen = found
	fresh, err := maxminddb.Open(d.path)
	if err != nil {
		d.log.Error("the changed database of places cannot be used; the one before stays", "file", d.path, "error", err)
		return
	}
	old := d.reader
	d.reader = fresh
	if err := old.Close(); err != nil {
		d.log.Error("the database of places that was replaced stays open", "file", d.path, "error", err)
	}
	d.log.Info("the database of places was opened again", "file", d.path, "made", fresh.Metadata.BuildTime())
}

// Close lets go of the file. Afterwards every place is unknown.
func (d *Database) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reader == nil {
		return nil
	}
	reader := d.reader
	d.reader = nil
	return reader.Close()
}
