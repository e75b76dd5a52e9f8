// Package portal owns the pages that people use: the way back in, signing in,
// security info, the password. One file per page; a page reads a form, calls
// one room, and shows the result. It holds no rule and no sentence.
//
// A family of pages is a method that returns its routes; Routes joins them.
package portal
