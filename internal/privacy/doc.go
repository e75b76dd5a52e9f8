// Package privacy owns what a person may ask of their data: to see it, and to have
// it gone; and that it goes by itself when it is old.
//
// It promises:
//
//   - Export gives everything that Kunci keeps of a person and can tell them apart
//     by, opened: never a secret, a code or somebody else's name;
//   - Erase drops it in one transaction, in every room, and destroys the person's
//     keys of the audit log: what happened stays, and that it is complete can still
//     be proved, but nobody can tell any more to whom it happened. That it was done
//     is recorded; a copy of the database made before is beyond its reach;
//   - Run drops what is older than the operator keeps, in bounded steps.
//
// Who may do it, admin judges. A room that keeps something of an account has an
// Erase, and stands in the list of this one.
package privacy
