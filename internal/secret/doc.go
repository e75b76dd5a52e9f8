// Package secret owns the keys of an installation and what is done with them:
// sealing values at rest, blind indexes to find sealed values, keyed
// derivation, and the signature of audit checkpoints.
//
// The keyset is one file with mode 0600, made by "kunci init". Whoever has the
// database without it reads no address, phone number or seed and can test no
// stolen password hash. Losing it loses all of these: back it up apart from
// the database.
//
// Sealing keys can be rotated: new values are sealed under the newest key, old
// ones still open. The derivation key stays for the life of the installation,
// because indexes and password hashes depend on it.
//
// Any room may use it.
package secret
