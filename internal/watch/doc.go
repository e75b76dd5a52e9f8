// Package watch owns files that an operator replaces while the product runs: it
// opens one again when another was moved into its place.
//
// It promises that whoever asks is never told by a file that is closed already, and
// that a file that cannot be used changes nothing: the one before stays.
//
// Called by packages geoip and password/breach.
package watch
