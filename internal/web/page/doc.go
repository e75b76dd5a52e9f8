// Package page owns the frame of every page: the layout, the form that keeps
// what was typed, and how a refusal is shown.
//
// A handler is a func(w, r) error. It reads a Form, calls a room, and either
// redirects (303) or renders a struct that embeds Base with Renderer.Write.
// Returned errors become an error page in one place (Renderer.Fail).
//
// To add a page: a template under the family's templates folder that defines
// "main", a struct that embeds Base, a line in the family's route list, and a
// story, so that the tests render it in every language.
//
// It knows no room of the product but i18n and problem.
package page
