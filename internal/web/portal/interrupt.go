package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// interruptPage asks to register, or whether the methods are still right.
type interruptPage struct {
	page.Base
	signin.Interrupt
	Org     string
	Next    string
	Methods []interruptLine
	// Given is how many of them the organization entered and nobody confirmed.
	Given int
}

type interruptLine struct {
	factorLine
	Given bool
}

func (p *Portal) interrupt(r *http.Request, who visitor, next string) (*interruptPage, error) {
	asked, err := p.SignIn.Asked(r.Context(), who.by, who.Signed)
	if err != nil || asked.Ask == signin.AskNothing {
		return nil, err
	}
	shown := &interruptPage{
		Base: page.Base{
			Name: "interrupt", Title: "interrupt." + string(asked.Ask) + ".title", Brand: page.BrandOf(who.Org), UserID: who.Account.Entry.UserID,
		},
		Interrupt: asked, Org: who.Org.Name, Next: nextPath(next),
	}
	for _, m := range who.Methods {
		if m.Usable() {
			shown.Methods = append(shown.Methods, interruptLine{lineOf(m), m.Given()})
			if m.Given() {
				shown.Given++
			}
		}
	}
	return shown, nil
}

func (p *Portal) getInterrupt(w http.ResponseWriter, r *http.Request) error {
	who, answered, err := p.visitor(w, r)
	if answered || err != nil {
		return err
	}
	next := r.URL.Query().Get("next")
	shown, err := p.interrupt(r, who, next)
	if err != nil {
		return err
	}
	if shown == nil {
		return page.See(w, r, onward(signin.StepIn, next))
	}
	return p.Pages.Write(w, r, http.StatusOK, "interrupt", shown)
}

func (p *Portal) postInterrupt(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	who, answered, err := p.visitor(w, r)
	if answered || err != nil {
		return err
	}
	token, next := p.cookie(r, sessionCookie), form["next"]
	shown, err := p.interrupt(r, who, next)
	if err != nil {
		return err
	}
	if shown == nil {
		return page.See(w, r, onward(signin.StepIn, next))
	}
	switch form["action"] {
	case "register":
		if shown.Ask == signin.AskConfirm {
			return page.See(w, r, "/security-info")
		}
		return page.See(w, r, "/security-info/add")
	case "skip":
		err = p.SignIn.Skip(r.Context(), who.by, token, who.Signed)
	case "looks_good":
		err = p.SignIn.LooksGood(r.Context(), who.by, token, who.Signed)
	default:
		err = problem.New(problem.Required).On("action")
	}
	if err != nil {
		return p.refuseStep(w, r, "interrupt", shown, &shown.Base, err)
	}
	return page.See(w, r, onward(signin.StepIn, next))
}
