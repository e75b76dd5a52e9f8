// Package captcha owns the hurdle in front of a reset when somebody starts too
// many: a proof of work that the browser does by itself (the protocol of
// ALTCHA: SHA-256 over a salt and a number to be found), or, without
// JavaScript, a wait. Nobody reads letters from a picture: WCAG 2.2, 3.3.8
// forbids it, and machines read them better.
//
// It promises: nothing at first; a proof fits one challenge of ours, in its
// time, once; whoever has no script gets in too, later.
//
// The first page of a reset calls it.
package captcha
