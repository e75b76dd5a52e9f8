// Package ldaptest starts real directory servers for tests, each on loopback,
// in a temporary folder, with nothing of the machine's own configuration. A
// server that is not installed fails the test and names what brings it. Tests only.
package ldaptest
