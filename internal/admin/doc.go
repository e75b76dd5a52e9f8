// Package admin owns what administrators may see and do: the table of roles, the
// acts on one account, and the list of people.
//
// It promises:
//
//   - one table says which role may do what (May); every act looks into it;
//   - nobody acts on somebody of a higher role, nor on themselves;
//   - an act and its event are one transaction;
//   - no password, code, answer or seed leaves it. Values are masked as on a
//     person's own pages; a whole one is given for one answer, and recorded;
//   - the helpdesk changes nothing of an account before it has verified, by a code
//     that the person reads out, who calls.
//
// The console, the API and the command line call it; none of them has a rule of
// its own.
package admin
