// Package helpdesk owns the requests that people send from a dead end: "contact
// your administrator", and "this wasn't me".
//
// Open keeps one open request per person and day, sealed, and mails it to the
// organization's support address: text only, marked as unverified. For an
// account that does not exist it answers the same and keeps nothing but the
// throttle's count. Get and List open requests; Resolve closes one. None of
// them acts on an account.
//
//	open ──> resolved
//
// The reset flow calls Open; consoles and the command line call the rest,
// after they have checked the role of who asks.
package helpdesk
