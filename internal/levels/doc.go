// Package levels holds the tests that keep the house in order; it has no code
// of its own, and nothing imports it.
//
//   - Imports go down the levels only, and rooms of one level do not know each
//     other (levels_test.go). A room without a level fails.
//   - A module that shapes what it touches stays behind one door: River in
//     jobs, the database drivers in store and jobs (levels_test.go).
//   - What this code base does without: printing, sleeping, skipped tests,
//     contexts from nowhere, guessable random numbers (bans_test.go).
//
// A new room is one line in levels_test.go, and a word about why it is there.
package levels
