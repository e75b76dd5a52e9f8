// Package breach owns the offline filter of breached passwords: building it
// from a list, opening it, asking it.
//
// The file holds no password and no hash, only binary fuse filters (Graf and
// Lemire, 2022) with eight bits for each password, one filter for each part of
// the range of SHA-1 hashes. It promises:
//
//   - a password of the list is always found;
//   - about one password in 256 that is not in the list is found too (0.39 %):
//     that is the price of 1.13 bytes for each password instead of 20. Whoever
//     meets it chooses another one;
//   - the file is mapped into memory, not loaded: a check touches three bytes of
//     it, and 1,000,000,000 passwords cost a node no memory of its own;
//   - each part carries a checksum, looked at before the part answers for the
//     first time. A damaged part answers "found", since nothing is known of the
//     passwords in it, and the fault is logged.
//
// What a list is: lines "HASH:COUNT" sorted by hash, as Have I Been Pwned hands
// them out (SHA-1 in hexadecimal), or passwords, one on a line. Whoever has a
// hash but not the password is served by neither: the person types the password.
//
// Called by package app, which hands a Watched filter to package reset, and by
// the command line.
package breach
