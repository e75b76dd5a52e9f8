package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

// givenPage asks whether what the organization entered is the person's, and for
// the code that proves it.
type givenPage struct {
	page.Base
	delivery
	Method          method.Method
	Org             string
	Digits, Minutes int
}

func (p *Portal) givenRoutes() []Route {
	return []Route{
		{"GET " + infoPath + "/{id}/confirm", p.getGiven},
		{"POST " + infoPath + "/{id}/confirm", p.postGiven},
	}
}

func (p *Portal) givenPage(r *http.Request, v visitor) (*givenPage, error) {
	g, err := p.SecurityInfo.Given(r.Context(), v.who(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err := p.SecurityInfo.Fresh(r.Context(), v.who(), g.Method.Kind); err != nil {
		return nil, err
	}
	shown := &givenPage{
		Base: v.base("security-info-confirm", "given.title", infoPath), Method: g.Method, Org: v.Org.Name,
		delivery: deliveryOf(v.Org, g.Method.Kind, g.Method.Masked(), g.Challenge, g.Progress, p.DB.Now()),
		Digits:   v.Org.Policy.Codes.Digits, Minutes: g.Challenge.MinutesLeft(p.DB.Now(), v.Org.Policy.Codes.Minutes),
	}
	shown.About = string(g.Method.Kind)
	if shown.Sent = shown.Sent && g.Challenge.State == challenge.Open && g.Challenge.ExpiresAt.After(p.DB.Now()); shown.Sent {
		shown.Title = "given.verify.title"
	}
	return shown, nil
}

func (p *Portal) getGiven(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		shown, err := p.givenPage(r, v)
		if err != nil {
			return err
		}
		return p.Pages.Write(w, r, http.StatusOK, "securityinfo_given", shown)
	})
}

// postGiven sends the code, or judges it where one was typed.
func (p *Portal) postGiven(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return p.person(w, r, r.URL.Path, func(v visitor) error {
		id := r.PathValue("id")
		code, answered := form["code"]
		var reply securityinfo.Reply
		claimed := false
		switch {
		case !answered:
			reply, claimed, err = p.SecurityInfo.Claim(r.Context(), v.by, v.who(), id, page.Lang(r), securityinfo.Form(form))
		case code == "":
			err = problem.New(problem.Required).On("code")
		default:
			reply, err = p.SecurityInfo.Claimed(r.Context(), v.by, v.who(), id, code)
			claimed = err == nil && reply.Refused == nil
		}
		refusal := reply.Refused
		if err != nil {
			var ok bool
			if refusal, ok = refusalOf(err); !ok {
				return err
			}
		}
		switch {
		case refusal != nil:
			shown, err := p.givenPage(r, v)
			if err != nil {
				return err
			}
			if c := notify.Channel(form["channel"]); c != "" && !shown.Sent {
				shown.Channel = string(channelOf(form))
			}
			if answered && refusal.Field == "" {
				refusal = refusal.On("code")
			}
			return p.refuseProof(w, r, "securityinfo_given", shown, &shown.Base, refusal, shown.Method.Kind)
		case claimed:
			return seeDone(w, r, "confirmed")
		}
		return page.See(w, r, r.URL.Path)
	})
}
