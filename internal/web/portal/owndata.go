package portal

import (
	"context"
	"encoding/json"
	"net/http"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/privacy"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/web/page"
)

// OwnData gives people what is kept of them, and takes that they want it gone.
type OwnData interface {
	Export(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account) (privacy.PersonData, error)
	AskErasure(ctx context.Context, by audit.Actor, o *org.Organization, a account.Account, message string) error
}

const ownDataPath = infoPath + "/data"

// ownDataPage is where people see and give up what is kept of them.
type ownDataPage struct {
	page.Base
	Org     string
	Message string
	Sent    bool
}

func (p *Portal) ownDataRoutes() []Route {
	return []Route{{"GET " + ownDataPath, p.getOwnData}, {"POST " + ownDataPath, p.postOwnData}}
}

// ownData is the page for somebody whose proof is fresh: a session left open on
// a shared computer does not hand out whole numbers.
func (p *Portal) ownData(r *http.Request, v visitor) (*ownDataPage, error) {
	if err := p.SecurityInfo.Fresh(r.Context(), v.who(), ""); err != nil {
		return nil, err
	}
	return &ownDataPage{Base: v.base("own-data", "owndata.title", infoPath), Org: v.Org.Name}, nil
}

func (p *Portal) getOwnData(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, ownDataPath, func(v visitor) error {
		shown, err := p.ownData(r, v)
		if err != nil {
			return err
		}
		shown.Sent = r.URL.Query().Get("done") == "erase"
		return p.Pages.Write(w, r, http.StatusOK, "owndata", shown)
	})
}

func (p *Portal) postOwnData(w http.ResponseWriter, r *http.Request) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return p.person(w, r, ownDataPath, func(v visitor) error {
		shown, err := p.ownData(r, v)
		if err != nil {
			return err
		}
		switch form["act"] {
		case "download":
			return p.giveOwnData(w, r, v)
		case "erase":
		default:
			return problem.New(problem.BadInput).On("act")
		}
		err = p.OwnData.AskErasure(r.Context(), v.by, v.Org, v.Account, form["message"])
		if refusal, ok := refusalOf(err); ok {
			shown.Message = form["message"]
			shown.Refuse(refusal, page.Lang(r))
			return p.Pages.Write(w, r, http.StatusUnprocessableEntity, "owndata", shown)
		}
		if err != nil {
			return err
		}
		return page.See(w, r, ownDataPath+"?done=erase")
	})
}

func (p *Portal) giveOwnData(w http.ResponseWriter, r *http.Request, v visitor) error {
	all, err := p.OwnData.Export(r.Context(), v.by, v.Org, v.Account)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-my-data.json"`)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(all) // the client may be gone
	return nil
}
