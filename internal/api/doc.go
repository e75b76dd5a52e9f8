// Package api owns /api/v1: what administrators do in the console, and
// resets on pages of others, for programs.
// An operation reads its input, calls a room, and gives the result; room admin
// says what a key may do.
//
// It promises:
//
//   - a key opens one organization with one role; everything of another
//     organization does not exist for it;
//   - refusals are RFC 9457 problems with a stable code, and repeat nothing of
//     what was sent;
//   - a body is read strictly: an unknown, repeated or differently spelled name
//     is refused (CWE-235);
//   - a reset that a front end leads is the reset of the pages: same flow, same
//     counts, same answers for whoever does not exist. Only a key that may
//     nothing else is believed where people come from;
//   - the policy is changed only by who has seen the version it replaces (ETag,
//     RFC 9110 13.1.1).
//
// openapi.json is what it says of itself; a test compares them.
package api
