// Package session owns what a browser is signed in with. One browser can hold
// several accounts; one of them is the current one.
//
//	password right ──> partial ──second factor──> full ──> ended
//	                       └── no second factor ──> full
//
// It promises:
//   - the cookie holds a random token of which only the hash is stored; it is
//     replaced at every sign-in and every change of level, and the old one is
//     dead at once (ASVS 7.2.4);
//   - a session ends after an hour without use and after 24 hours in any case
//     (SP 800-63B-4, 2.2.3), on sign-out, and when its account's password is
//     reset or changed (ASVS 7.4.3);
//   - the list of remembered accounts belongs to the browser alone, is sealed,
//     and forgetting removes it.
//
// Rooms signin and reset call it; pages read the current session through signin.
package session
