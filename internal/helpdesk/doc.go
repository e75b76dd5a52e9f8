// Package helpdesk owns the requests that people send from a dead end: "contact
// your administrator", and "this wasn't me"; and the passes that bring somebody
// back in who has nothing else left.
//
// Open keeps one open request per person and day, sealed, and mails it to the
// organization's support address: text only, marked as unverified. For an
// account that does not exist it answers the same and keeps nothing but the
// throttle's count. Get and List open requests; Resolve closes one. None of
// them acts on an account. Assign and Release say who works on a request; Answer
// mails words to a registered address of the person, never to one that a request
// names; Digest tells the support address how many wait, as often as the policy says
// (notifications.helpdesk_mail): requests are mailed at once, or only counted in it.
//
//	open ──> resolved
//
// IssuePass makes a Temporary Access Pass: shown once, hashed, counting for the
// time that the policy allows and never longer, one for each account. It holds
// by itself what is true behind every door: nobody issues one for themselves, and
// no lower role for a higher one; the person is told at every address.
//
// The reset flow calls Open; consoles and the command line call the rest,
// after they have checked the role of who asks.
package helpdesk
