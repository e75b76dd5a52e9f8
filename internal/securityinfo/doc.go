// Package securityinfo owns what a signed-in person does with their own methods:
// listing, adding, confirming, changing, deleting, bringing back, naming, and
// choosing the default.
//
//	Begin ──kinds that are proved──> pending ──Confirm: right answer──> counts
//	  └──kinds that are issued (recovery codes)──────────────────────> counts
//
// It promises:
//
//   - every step is judged in its own transaction, with the account locked, from
//     rows read in it: the session lives and its strongest proof is fresh, at the
//     beginning and again at the end (problem StepUp);
//   - a pending method belongs to the session that began it and to nobody else;
//     it waits for method.PendingFor, and a reload finds it again;
//   - what is proved is judged by room challenge (purpose Register) alone. A
//     refused answer is a result that commits, so that its count survives;
//   - a change proves the new method before the old one stops counting;
//   - a deletion counts at once (SP 800-63B-4, 4.5: loss) and can be undone for
//     method.UndoFor, an administrator's only by an administrator;
//   - for the policy's after_reset_hours, only somebody who proved a method that
//     the reset did not use may delete or change one (problem AfterReset);
//   - every other proved address, and the one that was removed, is told in the
//     same transaction, and the event stands in it too.
//
// Adding a kind takes
//
//   - a verifier in room challenge (kinds.go there);
//   - one file kind_NAME.go here, with its line in registrars: draft reads the
//     form and makes the method, without a transaction. Where issued is set the
//     method counts as soon as it is stored, else it waits for the answer to its
//     challenge, in the form field that answer names;
//   - one file securityinfo_NAME.go in web/portal, with its line in kindPages and
//     a template. begins says whether a form starts the registration or only
//     chose the kind; show gives the page before anything is begun (a form),
//     while the method is pending (what has to be proved; the challenge is in
//     adding.pending), and after it was issued. Forms post to /security-info/add
//     with the field kind; name and replaces are common to all;
//   - the sentences securityinfo.KIND.what, .title, .verify.title and .replace.
//
// Pages call it. Nothing here may be called with a transaction open.
package securityinfo
