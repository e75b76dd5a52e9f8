// Package demo owns the demonstration: the organization Contoso with one person
// for each situation, the page that introduces them, and an inbox that shows
// every message the product sends instead of a mail server.
//
// Everything goes through the rooms that real organizations go through; nothing
// is written past them. The pages exist only in a product that was started by
// Run: whoever can open the inbox can read every code.
//
// The demo does not build the product. Run is given a Launch that does, with
// the database, the sender and the extra pages of its Setup.
package demo
