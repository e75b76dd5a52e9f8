// Package challenge owns the proof of one method: it begins an attempt, sends
// its code, judges the answer, and is the only writer of "passed".
//
//	open ──right answer──> passed ──┐
//	  └──expired, replaced──> ended <┘ owner or account ended
//
// It promises:
//
//   - a row belongs to one owner (a reset flow or a session), one gate, one
//     account and one method; what a proof is worth is judged from these rows and
//     from nothing a browser says;
//   - each owner has one open challenge on a method, beside those of others: a
//     stranger who begins a reset ends nobody's. What is sent is one code per
//     account, method and purpose: derived from a nonce, so it is stored nowhere,
//     the same for every owner that asks while it lives, and used up for all of
//     them by the first right answer;
//   - an answer is counted before it is judged, per account and method, across
//     flows, doors and nodes. Only a right answer gives its count back. When
//     blocked, right and wrong answers get the same reply;
//   - a failure at sign-in also counts against resets, but a failure of a reset,
//     which anybody can cause, never locks a sign-in;
//   - any usable passkey of the account answers for all of them, and the row of a
//     passed challenge names the one that did. A passkey's challenge is for one
//     answer: a row's is renewed by a wrong one, a sealed one (greeting.go) is
//     noted when it is answered. What an answer says is believed after its
//     signature was verified, and not before;
//   - a request on a device (push.go) is answered by its number, typed on that
//     device: where the number is shown nothing can be answered. Requests have a
//     pause and an hourly limit of their own, one waits for an account at a time,
//     a reset's never ends one to sign in, and three wrong numbers end one;
//   - a wrong answer is a Result, not an error, so that its count is committed.
//
// Callers: reset, signin, securityinfo. Prepare is slow for some kinds and must
// be called without a transaction; everything else runs in the caller's. The
// account's lock (Lock) comes first in a transaction that changes challenges.
package challenge
