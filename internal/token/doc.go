// Package token owns how hardware tokens come to people: the file that an
// administrator brings, whom each token is handed to, and its activation.
//
//	in stock ──assign──> assigned ──a code──> active
//	    └──────────take back───────┴────────────┘
//
// It promises:
//
//   - a file is applied whole or not at all (unless bad rows are skipped on
//     request), names each bad row by its line, never repeats a secret, and can
//     be read again without changing anything;
//   - a token has one holder, and counts for nothing before a code of it was right;
//   - what a token has used up stays with it: taking it back and handing it to
//     somebody else makes no code pass twice.
//
// The rows are kept by method, the codes are judged by challenge. The directory
// is asked who a user ID is: never call this room with a transaction open.
package token
