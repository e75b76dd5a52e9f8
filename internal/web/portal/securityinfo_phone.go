package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/web/page"
)

// phonePage says what a phone is worth, asks for its number, then for the code
// that was sent there.
type phonePage struct {
	addForm
	delivery        // To is the whole number: the person just typed it
	Typed           string
	Digits, Minutes int
	Other           []method.Kind // that could be added instead
}

func phoneBegins(_ visitor, form page.Form) bool {
	_, typed := form["phone"]
	return typed
}

func showPhone(p *Portal, r *http.Request, s adding) (string, page.Page, *page.Base, error) {
	shown := &phonePage{delivery: deliveryOf(s.v.Org, s.kind, "", challenge.Challenge{}, notify.Progress{}, p.DB.Now())}
	if _, again := s.typed["phone"]; s.pending == nil || again {
		view, err := p.SecurityInfo.View(r.Context(), s.v.who())
		if err != nil {
			return "", nil, nil, err
		}
		shown.addForm, shown.Typed, shown.Channel, shown.Other = s.form("title"), s.typed["phone"], s.typed["channel"], view.Alternatives()
		shown.MethodID = ""
		return "securityinfo_phone", shown, &shown.Base, nil
	}
	shown.addForm = s.form("verify.title")
	shown.delivery = deliveryOf(s.v.Org, s.kind, method.ShowPhone(s.pending.Method.Value), s.pending.Challenge, s.pending.Progress, p.DB.Now())
	shown.Digits, shown.Minutes = s.v.Org.Policy.Codes.Digits, s.v.Org.Policy.Codes.Minutes
	return "securityinfo_phone", shown, &shown.Base, nil
}
