// Package feedback owns what readers say about the help: whether an article
// helped, how it is written, what was missing.
//
// Nobody is attached to it. It keeps no account, no address, no browser, and of
// the time only the day; so it leaves no event either, which would say who. A
// comment is bounded and cleaned of what could act on a terminal. Leave counts
// for each network and for the installation, and what is older than Kept goes.
//
// The help pages call Leave; the command line lists.
package feedback
