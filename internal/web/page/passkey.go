package page

// Passkey is the part of a page that asks the browser for a passkey: a page that
// has one holds it as its field Passkey and calls the template "passkey" inside
// a form. The browser's answer comes in the form's field "code".
type Passkey struct {
	// Options are what the browser is asked with, as JSON.
	Options string
	// Make tells that a new passkey is made, not one used.
	Make bool
	// Secondary is set where another button of the page is the primary one.
	Secondary bool
}
