package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/web/page"
)

// tokenPage says which token it is about, then asks for its code.
type tokenPage struct {
	addForm
	Tokens []method.Token // that could be activated
	Token  string         // the name of the one being activated
	Digits int
}

func showToken(p *Portal, r *http.Request, s adding) (string, page.Page, *page.Base, error) {
	if s.pending != nil {
		m := s.pending.Method
		shown := &tokenPage{addForm: s.form("verify.title"), Token: m.Name, Digits: m.OATH.Digits}
		return "securityinfo_token", shown, &shown.Base, nil
	}
	view, err := p.SecurityInfo.View(r.Context(), s.v.who())
	shown := &tokenPage{addForm: s.form("title"), Tokens: view.Tokens}
	return "securityinfo_token", shown, &shown.Base, err
}
