// Package signin owns how people come in with their password, what they still
// have to prove or do before they are in, and who is signed in in a browser.
//
// It promises:
//
//   - who is signed in is read from stored rows by the browser's cookie at every
//     request; an account that was disabled or left the directory since is out;
//   - a page is shown only to a session whose level is full: the second factor
//     was proved where the account has one;
//   - a method is added, changed or deleted only in a session whose strongest
//     proof is fresh (Signed.Fresh).
//
// The pages call it with the cookie's token. No method may be called with a
// transaction open: the directory is asked.
package signin
