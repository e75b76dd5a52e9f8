// Package store owns the database: opening it, bringing it to this version,
// and running transactions on it. It runs on SQLite (one node) and on
// PostgreSQL (many), with one SQL text for both and $1-style parameters.
//
// What it promises:
//   - Write commits when its function returns nil and rolls back otherwise. A
//     conflict with another transaction is tried again, so the function must
//     have no effect outside the transaction (use Tx.AfterCommit).
//   - On SQLite there is one writer and every commit is on disk (WAL,
//     synchronous=FULL); readers cannot write.
//   - Who waits fifteen seconds for a connection is refused with problem.Busy.
//   - Tx.Now is one instant for the whole transaction, from the one clock.
//
// Every room may use it. It knows no room, and no room's statements.
// Columns: TEXT, whole numbers, bytes, booleans; times are microseconds UTC.
package store
