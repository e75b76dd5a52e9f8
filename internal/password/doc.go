// Package password owns what a password must be and how it is kept.
//
// Check answers every rule a new password breaks, by name. Hasher turns a
// password into text to store and judges tries against it.
//
// It promises:
//
//   - a password is never trimmed, folded or cut; only NFKC is applied, so that
//     the same characters typed on two keyboards are the same password;
//   - what is stored is a keyed hash of an argon2id output: without the keyset a
//     stolen database gives nothing to guess against;
//   - one salt per account for the current and past passwords, so one slow hash
//     judges a new password against all of them;
//   - memory held by hashing is bounded; beyond that callers wait, and beyond a
//     bounded wait they get problem Busy;
//   - hashes brought from elsewhere are judged by their own scheme, with bounded
//     parameters, and should be renewed at the next right try.
//
// Hashing takes tens of milliseconds: never call it with a transaction open.
package password
