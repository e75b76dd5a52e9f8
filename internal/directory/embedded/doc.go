// Package embedded is the directory that Kunci itself is: accounts and keyed
// password hashes in Kunci's own database.
//
// It promises, beside what directory.Directory promises:
//
//   - a password is hashed before the transaction that stores it, and stored by
//     comparing the version it was hashed for: of two changes at once none is lost
//     unseen and none mixes with another;
//   - past passwords are kept as keyed hashes under the account's one salt, so
//     judging a new one against all of them costs one slow hash;
//   - smart lockout: at the threshold the account is locked for a while, and each
//     wrong password after that locks it for twice as long, up to an hour; the
//     last three wrong passwords, tried again, count nothing; counting and
//     judging are one step, so parallel guesses are counted one by one;
//   - an unknown account and one without a password take as long as any other;
//   - a hash from elsewhere, or of other parameters, is renewed at the next right
//     try.
//
// Only the room account writes accounts into it (Put, from an account file).
package embedded
