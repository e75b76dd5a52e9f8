// Package directory owns the promise that Kunci makes about the place where
// accounts and passwords live: one interface, its errors, its words.
//
// Engines (embedded, ldap) implement Directory; each runs the conformance suite
// of directorytest. Rooms above call the interface and never an engine. No call
// of a Directory may be made while a database transaction is open: engines hash,
// wait for networks, and open transactions of their own.
package directory
