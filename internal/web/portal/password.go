package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// changePage changes the password of somebody who is signed in.
type changePage struct {
	page.Base
	Rules     []ruleLine
	Must      bool // it has to be changed before anything else
	Elsewhere bool // it is kept elsewhere, or cannot be changed here
	Changed   bool
	OnPass    bool // a pass is what let the person in
	None      bool // there is none yet
	Org       string
	Next      string // where Changed leads
}

type ruleLine struct {
	Name  string
	Text  string
	Count any
}

// ruleLines are the rules of a password as sentences.
func ruleLines(r *http.Request, rules []password.Rule) []ruleLine {
	lines := make([]ruleLine, len(rules))
	for i, rule := range rules {
		lines[i] = ruleLine{Name: rule.Name, Text: printerOf(r).TMap("password.rule."+rule.Name, rule.Args), Count: rule.Args["count"]}
	}
	return lines
}

// refusePassword puts every broken rule on the page, the first as the alert.
func refusePassword(r *http.Request, base *page.Base, refusals []password.Refusal) {
	base.Refuse(problem.New(problem.PasswordRefused).On("new_password"), page.Lang(r))
	for i, refusal := range refusals {
		text := printerOf(r).TMap("password.refused."+refusal.Rule, refusal.Args)
		if i == 0 {
			base.Alert.Text = text
			continue
		}
		base.Alert.Text += " " + text
	}
}

func (p *Portal) changePage(r *http.Request, who visitor) (*changePage, error) {
	can, err := p.SignIn.CanChange(who.Signed)
	if err != nil {
		return nil, err
	}
	shown := &changePage{
		Base:  page.Base{Name: "password", Title: "change.title", Brand: page.BrandOf(who.Org), UserID: who.Account.Entry.UserID},
		Rules: ruleLines(r, p.SignIn.Rules(r.Context(), who.Signed)), Must: who.Session.MustChange, Elsewhere: !can, Org: who.Org.Name,
		OnPass: who.OnPass(), None: can && !who.HasPassword(),
	}
	switch {
	case shown.None:
		shown.Title = "change.first"
	case shown.Elsewhere:
		shown.Problem = string(problem.NotManaged)
		if shown.Must {
			shown.Title = "change.elsewhere.title"
		}
	}
	return shown, nil
}

func (p *Portal) getPassword(w http.ResponseWriter, r *http.Request) error {
	who, answered, err := p.visitor(w, r)
	if answered || err != nil {
		return err
	}
	shown, err := p.changePage(r, who)
	if err != nil {
		return err
	}
	if r.URL.Query().Has("changed") && !shown.Must {
		asked, err := p.SignIn.Asked(r.Context(), who.by, who.Signed)
		if err != nil {
			return err
		}
		step := signin.StepIn
		if asked.Ask != signin.AskNothing {
			step = signin.StepInterrupt
		}
		shown.Changed, shown.Title, shown.Next = true, "change.done.title", onward(step, "")
	}
	return p.Pages.Write(w, r, http.StatusOK, "password", shown)
}

func (p *Portal) postPassword(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	who, answered, err := p.visitor(w, r)
	if answered || err != nil {
		return err
	}
	shown, err := p.changePage(r, who)
	if err != nil {
		return err
	}
	if refusal := incomplete(form); refusal != nil && !shown.Elsewhere {
		return p.refuse(w, r, "password", shown, &shown.Base, refusal)
	}
	changed, err := p.SignIn.ChangePassword(r.Context(), who.by, p.cookie(r, sessionCookie), who.Signed, form["current_password"], form["new_password"], page.Lang(r))
	switch {
	case problem.Has(err, problem.SignedOut):
		return page.See(w, r, "/signin")
	case err != nil:
		return p.refuseStep(w, r, "password", shown, &shown.Base, err)
	case len(changed.Refusals) > 0:
		refusePassword(r, &shown.Base, changed.Refusals)
		return p.Pages.Write(w, r, http.StatusUnprocessableEntity, "password", shown)
	}
	p.setSession(w, changed.Token)
	return page.See(w, r, "/password?changed")
}

// incomplete finds what is missing before anything is judged.
func incomplete(form page.Form) *problem.Error {
	for _, field := range []string{"current_password", "new_password"} {
		if form[field] == "" {
			return problem.New(problem.Required).On(field)
		}
	}
	if form["new_password"] != form["confirm_password"] {
		return problem.New(problem.PasswordMismatch).On("confirm_password")
	}
	return nil
}
