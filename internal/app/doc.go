// Package app builds every room in order from a node's settings, serves them,
// and stops them cleanly. It is the only room that knows all others, and it
// holds no rule of the product: it wires.
//
// It promises:
//
//   - a node that cannot work says so when it starts, with the way to mend it:
//     wrong keys, an older database, an address that is taken;
//   - stopping lets requests that were begun finish, then the queue; what waits
//     in the queue stays in the database for the next start;
//   - /healthz says that the process lives, /readyz that it can do its work;
//     metrics have a listener of their own and name no person.
//
// The command line and the tests' harness call it.
package app
