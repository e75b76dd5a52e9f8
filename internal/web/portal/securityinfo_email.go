package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/web/page"
)

// emailPage asks for an address, then for the code that was mailed to it.
type emailPage struct {
	addForm
	Typed           string
	To              string // the whole address: the person just typed it
	Sent            bool
	Digits, Minutes int
}

func emailBegins(_ visitor, form page.Form) bool {
	_, typed := form["email"]
	return typed
}

func showEmail(_ *Portal, _ *http.Request, s adding) (string, page.Page, *page.Base, error) {
	if _, again := s.typed["email"]; s.pending == nil || again {
		shown := &emailPage{addForm: s.form("title"), Typed: s.typed["email"]}
		shown.MethodID = ""
		return "securityinfo_email", shown, &shown.Base, nil
	}
	shown := &emailPage{
		addForm: s.form("verify.title"), To: s.pending.Method.Value, Sent: !s.pending.Challenge.SentAt.IsZero(),
		Digits: s.v.Org.Policy.Codes.Digits, Minutes: s.v.Org.Policy.Codes.Minutes,
	}
	return "securityinfo_email", shown, &shown.Base, nil
}
