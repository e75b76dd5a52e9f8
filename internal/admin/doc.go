// Package admin owns what administrators may see and do: the table of roles, the
// acts on one account, and the list of people.
//
// It promises:
//
//   - one table says which role may do what (May); every act looks into it;
//   - nobody acts on somebody of a higher role, nor on themselves;
//   - an act and its event are one transaction;
//   - no password, code, answer, seed or whole address leaves it. The masked
//     values are those that a person's own pages show.
//
// The console, the API and the command line call it; none of them has a rule of
// its own.
package admin
