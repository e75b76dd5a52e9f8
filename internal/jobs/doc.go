// Package jobs owns work that is done later: it is enqueued in the caller's
// transaction, so it happens exactly when the transaction commits, survives a
// crash, and is tried again with back-off until it is done or given up.
//
// A job may run more than once (a node can die after the work and before the
// note of it): whoever handles one makes a repeat harmless.
//
// Any room may enqueue and register handlers. Only this room knows River.
package jobs
