// Package audit owns the record of what happened: every event is written in
// the transaction of what it records, so there is no deed without its event
// and no event without its deed.
//
// A background step gives waiting events their place in one Merkle log for the
// whole installation (RFC 6962) and signs checkpoints of it (C2SP
// tlog-checkpoint and signed-note). Whoever changes, removes, reorders or cuts
// off records afterwards is found by Verify; whoever keeps a checkpoint
// elsewhere also finds a history that was cut off together with its
// checkpoints.
//
// What identifies a person in an event is sealed under that person's own key,
// and the log hashes the sealed form: destroying the key (Erase) erases the
// person and leaves the log verifiable. Events of nobody known are sealed
// under a key of the organization and the day.
//
// Every room that changes something records here. It knows none of them.
package audit
