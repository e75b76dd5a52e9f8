// Package reset owns the way back in for somebody who cannot sign in: a new
// password, a first one, or an unlocked account.
//
//	            Choose             Answer (right, gates left) ──> choosing
//	choosing ──────────> verifying ┤
//	    ^─────── Back ───────┘     └ Answer (right, enough) ──> choosing-password ──Unlock──> unlocked
//	                                                               │ SetPassword
//	                                                               v
//	                                                            writing ──directory did it──> done
//	any state that is not over ──dead end, 15 minutes, replaced──> problem
//
// It promises:
//
//   - what a person may do next is computed from stored rows (Next), never from
//     what a browser says;
//   - a password is written only after eligibility and gates were computed again
//     from the stored proofs against the policy of that moment, inside one
//     transaction. More gates asked for in between send the person back to choosing;
//   - the directory is written first. While it is, and after a crash, the flow
//     says "writing", and the step can be repeated; "done" is written only after.
//     An attempt says that it lives; ten seconds after the last such word another
//     may begin, which finds what a dead one did (SetOptions.Begun);
//   - a flow lives 15 minutes from its start, whatever happens. Starting another
//     one ends nothing: a stranger could end a person's flow. Passing a gate ends
//     every other flow of the account;
//   - unknown, disabled, frozen and unregistered accounts get the same answer,
//     not-verified, after the same work. (A frozen account belongs to somebody who
//     said "this wasn't me": the stranger learns nothing, the owner has a request open.)
//   - one flow with a wrong answer is one identity failure; using a method for the
//     first time in a flow is one reset. Looking at pages counts nothing.
//
// The pages call it with a flow opened by the cookie's token. No method but the
// pure ones may be called with a transaction open.
package reset
