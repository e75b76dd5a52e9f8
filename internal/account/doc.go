// Package account owns what Kunci itself knows about a person of an
// organization: the account's stable identity, how far the registration of its
// methods is, whether its resets are frozen, and when it was last reset. Names,
// groups and the password belong to the directory and are asked for each time.
//
// It promises:
//
//   - an account's row is tied to the directory's stable key, never to the user
//     ID: a deleted and recreated person inherits nothing, a renamed one keeps
//     everything, and an id is never used twice;
//   - a change is one statement and records who did it in the same transaction;
//   - an import is applied whole or not at all (unless bad rows are skipped on
//     request), names each bad row by its line, and can be repeated: the second
//     run of a file changes nothing.
//
// Find and Load ask the directory: call them without a transaction open.
package account
