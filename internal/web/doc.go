// Package web owns what holds for every request: which paths there are, which
// headers every answer carries, who asked from where, and what is refused
// before any page sees it. routes.go is the one list of paths.
package web
