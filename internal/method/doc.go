// Package method owns the pieces of security info a person registered: what
// kinds there are, the stored rows, and the rules that hold for every row.
//
// It promises:
//
//   - what identifies a person (an address, a number) and what proves one (a
//     seed, a set of codes) is stored sealed, bound to organization, account and
//     row, so that a value copied to another row does not open;
//   - the same value or seed is not registered twice for one account, and the
//     same passkey not twice at all;
//   - no kind exceeds its limit, also under parallel requests;
//   - a time step and a recovery code are accepted once, by one statement each;
//   - one hundred failures in a row disable a method until it is registered again
//     (NIST SP 800-63B-4, 3.2.2);
//   - a method that replaces another does so in the moment in which it is proved:
//     until then the other one counts, and both together count once;
//   - a deleted method can be brought back for seven days, then it is gone; one that an
//     administrator deleted only by an administrator.
//
// A row counts for nothing before it is proved. Only the room challenge decides
// that a person proved one; account decides it for what an administrator
// pre-registered. Everyone above may list and read.
package method
