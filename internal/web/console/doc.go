// Package console owns the pages of administrators. A page reads its form,
// calls a room and shows the result; what somebody may see and do is said by
// room admin, and each route names the action it needs.
//
// Nobody comes in without a second factor proved in their session, and what
// stands in an address is no more than opaque keys and filters without people.
//
// Every page works without scripts.
package console
