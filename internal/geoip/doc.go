// Package geoip owns the operator's database of where internet addresses are (a
// file of the MaxMind DB format 2.0, such as GeoLite2 City or DB-IP City Lite):
// opening it, asking it, opening it again when it changes. None is shipped.
//
// It promises that the file is mapped into memory, not loaded, and that it only
// ever informs: nothing is allowed or refused by a place. What it cannot tell, it
// does not guess, and while a changed file cannot be used, the one before stays.
//
// Called by package app, which hands it to package notify, and by the doctor.
package geoip
