// Package throttle owns the counters that stop guessing and flooding: how
// often something may happen in a time, and how long it is refused after that.
//
// A try is counted and judged by one statement in the caller's transaction, so
// that fifty tries at once, on several nodes, are judged exactly as often as
// the limit says. The caller must commit a refusal too: a rollback would give
// the try back.
//
// Counters are rows: they survive a restart and are shared by every node and
// every door. Any room above may count; the key says what is counted, in the
// form "kind:organization:account[:method]". Text that people type goes into
// a key only as a blind index.
package throttle
