// Package audit owns the record of what happened: every event is written in
// the transaction of what it records, so there is no deed without its event
// and no event without its deed.
//
// A background step gives waiting events their place in one Merkle log for the
// whole installation (RFC 6962) and signs checkpoints of it (C2SP
// tlog-checkpoint and signed-note). One log, not one an organization: what
// happens to the installation itself belongs to none, and one checkpoint kept
// elsewhere vouches for everything.
//
// Verify computes it all again from the rows and names what was changed,
// removed, reordered, added or cut off. It does not see, by itself:
//   - a log that was cut off or made anew together with all its checkpoints:
//     keep a checkpoint elsewhere and give it to Verify;
//   - events removed or changed in the second before they are sequenced, and
//     events that somebody with the database makes up and lets be sequenced.
//
// What identifies a person in an event is sealed under that person's own key,
// and the log hashes the sealed form: destroying the key (Erase) erases the
// person and leaves the log verifiable. Events of nobody known are sealed
// under a key of the organization and the day (EraseDay). A key that is gone
// without an event that says so is a fault that Verify names.
//
// Every room that changes something records here. It knows none of them.
package audit
