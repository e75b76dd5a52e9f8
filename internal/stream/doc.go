// Package stream owns the way of the audit log to a collector: syslog (RFC 5424
// over TLS, TCP or UDP), JSON lines in a file or on standard output, and OTLP
// logs over HTTP.
//
// It promises:
//
//   - every event of the installation is handed over at least once, in the order
//     of the log: a place in the log is kept for each stream, and moves on when
//     the collector has taken what was before it. Whoever gets an event twice
//     knows it by its identifier;
//   - a collector that fails is tried again with growing pauses and is never
//     switched off; it holds up nobody: neither the product nor another stream;
//   - what identifies people is left out unless the operator asked for it, and an
//     event never holds a secret;
//   - a text from outside can neither end a field, a line nor a message.
//
// UDP is the exception to the first: nobody learns whether a datagram arrived.
//
// The configuration says which streams there are; app runs them.
package stream
