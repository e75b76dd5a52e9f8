package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/web/page"
)

// phonePage says what a phone is worth, asks for its number, then for the code
// that was sent there.
type phonePage struct {
	addForm
	Typed            string
	To               string // the whole number: the person just typed it
	Sent             bool
	Digits, Minutes  int
	CanText, CanCall bool
	Channel          string
	Waiting, Late    bool
	Other            []method.Kind // that could be added instead
}

func phoneBegins(_ visitor, form page.Form) bool {
	_, typed := form["phone"]
	return typed
}

func showPhone(p *Portal, r *http.Request, s adding) (string, page.Page, *page.Base, error) {
	channels := s.v.Org.Channels
	shown := &phonePage{CanText: s.kind == method.MobilePhone && channels.Text, CanCall: channels.Call}
	if _, again := s.typed["phone"]; s.pending == nil || again {
		view, err := p.SecurityInfo.View(r.Context(), s.v.who())
		if err != nil {
			return "", nil, nil, err
		}
		shown.addForm, shown.Typed, shown.Channel, shown.Other = s.form("title"), s.typed["phone"], s.typed["channel"], view.Alternatives()
		shown.MethodID = ""
		return "securityinfo_phone", shown, &shown.Base, nil
	}
	c, progress := s.pending.Challenge, s.pending.Progress
	shown.addForm, shown.To, shown.Sent = s.form("verify.title"), method.ShowPhone(s.pending.Method.Value), !c.SentAt.IsZero()
	shown.Digits, shown.Minutes, shown.Channel = s.v.Org.Policy.Codes.Digits, s.v.Org.Policy.Codes.Minutes, string(c.Channel)
	shown.Waiting, shown.Late = progress.State == notify.Queued, progress.Late(p.DB.Now())
	if shown.Waiting && !shown.Late {
		shown.Refresh = refreshSeconds
	}
	return "securityinfo_phone", shown, &shown.Base, nil
}
