// Package kuncitest runs the whole product on loopback for tests: a server on
// a free port with its own database, a clock the test moves, a mail server
// that keeps what it receives, and a browser without scripts to walk with.
//
// It stands above the application; nothing of the product imports it.
package kuncitest
