// Package problem owns the refusals of the product: a stable code, the field
// it belongs to, the arguments of its sentence and, where trying again later
// helps, how long to wait.
//
// A room returns *Error when it refuses; the edges (pages, API, command line)
// turn it into a status, an alert and a sentence. The sentence itself lives in
// the catalogues under "problem.<code>", never here, so an Error can be shown
// in any language and a cause is never shown to a person.
package problem
