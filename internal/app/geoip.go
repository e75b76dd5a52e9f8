package app

import (
	"time"

	"kunci.dev/kunci/internal/geoip"
	"kunci.dev/kunci/internal/notify"
)

// openPlaces opens the database of places that the configuration names. Without
// one addresses stand for themselves; one that cannot be used stops the start,
// so that nobody takes silence for "unknown".
func (a *App) openPlaces() (notify.Places, error) {
	if a.Config.GeoIP == "" {
		return nil, nil //nolint:nilnil // there is none, and that is no error
	}
	places, err := geoip.Open(a.Config.GeoIP, a.Log, a.options.clock())
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, places.Close)
	return places, nil
}

// placesAge is when a database of places is no longer of much use: addresses move.
const placesAge = 400 * 24 * time.Hour

// places reads the whole database, which a start does not.
func (d *doctor) places() {
	path := d.c.GeoIP
	if path == "" {
		return
	}
	const mend = "download the file again (GeoLite2 City or DB-IP City Lite, .mmdb) and move it into place, or leave the key geoip empty"
	kind, built, err := geoip.Check(path)
	switch {
	case err != nil:
		d.unsafe = true
		d.bad("geoip", mend, "the database of places %s: %v", path, err)
	case d.o.clock()().Sub(built) > placesAge:
		d.bad("geoip", mend, "the database of places %s is of %s", path, built.UTC().Format(time.DateOnly))
	default:
		d.good("geoip", "%s is a database %s of %s", path, kind, built.UTC().Format(time.DateOnly))
	}
}
