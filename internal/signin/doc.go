// Package signin owns how people come in with their password, what they still
// have to prove or do before they are in, and who is signed in in a browser.
//
//	user ID ──> password ──┬── second factor ──┬──> new password ──> interrupt ──> in
//	                       └───────────────────┘      if it must      if it is due
//	pass ──────────────────────────────────────┼──> registering, until it is over
//	passkey ───────────────────────────────────┘
//
// It promises:
//
//   - who is signed in is read from stored rows by the browser's cookie at every
//     request; an account that was disabled or left the directory since is out;
//   - a page is shown only to a session whose level is full: the second factor
//     was proved where the account has one, and a factor that was disabled by
//     wrong answers still has to be there;
//   - a method is added, changed or deleted only in a session whose strongest
//     proof is fresh (Signed.Fresh);
//   - nobody learns whether an account exists, has a password, is disabled or
//     must change its password without knowing the password: the answer, its
//     time and the lock after wrong passwords are the same (nobody.go). A lock
//     that an outside directory keeps is answered as a wrong password is;
//   - a Temporary Access Pass stands in for the password and the factor, for as
//     long as it counts; who has one, nobody learns: no account, no pass, a wrong
//     and a spent one take the same hash, statements, counts and answer (pass.go);
//   - a passkey is two factors in one and lets in by itself; nobody learns from a
//     refused one whose it is (passkey.go);
//   - the browser's token is a new one after the password, after a factor, and
//     after every proof or change later on.
//
// The pages call it with the cookie's token. No method may be called with a
// transaction open: the directory is asked.
package signin
