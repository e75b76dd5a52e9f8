package i18n

import (
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a server in a bare container has none of its own
)

var zones sync.Map // name → *time.Location

// Zone gives a time zone by its name in the IANA database, such as Asia/Jakarta.
// Empty is UTC. False: there is no such zone, and UTC is given.
func Zone(name string) (*time.Location, bool) {
	if name == "" {
		return time.UTC, true
	}
	if zone, ok := zones.Load(name); ok {
		return zone.(*time.Location), true
	}
	// "Local" is where the server stands, which says nothing about people.
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC, false
	}
	zones.Store(name, zone)
	return zone, true
}

// In is the printer of the same language that writes times as clocks in a zone
// show them (see Zone); an unknown one gives UTC.
func (p *Printer) In(zone string) *Printer {
	there, _ := Zone(zone)
	if there == p.zone {
		return p
	}
	moved := *p
	moved.zone = there
	return &moved
}

// zoneName is what people there call their time: WIB, CEST. Zones without a name
// are told by their distance from UTC.
func zoneName(t time.Time) string {
	name, _ := t.Zone()
	if strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-") {
		return "UTC" + strings.Replace(name, "-", "\u2212", 1)
	}
	return name
}
