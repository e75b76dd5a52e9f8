// Package report owns the figures that administrators read: how many people
// could help themselves, and what happened day by day.
//
// It promises:
//
//   - what happened is counted from the audit log in the order of the log, once
//     and only once: the counts and the place reached change in one transaction;
//   - a figure holds no person, and a day stays when the events it came from go;
//   - registration is judged by the same rules as a reset
//     (account.Requirement), never by a copy of them.
//
// Days are of UTC. A background step counts every few seconds; figures of
// registration are as old as they say.
//
// The console and the API read it. It knows no flow.
package report
