package portal

import (
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/web/page"
)

const (
	infoPath = "/security-info"
	addPath  = infoPath + "/add"
)

func (p *Portal) securityInfoRoutes() []Route {
	return append(p.givenRoutes(), []Route{
		{"GET " + infoPath, p.getSecurityInfo},
		{"GET " + addPath, p.getAdd},
		{"POST " + addPath, p.postAdd},
		{"POST " + infoPath + "/codes", p.postCodes},
		{"GET " + infoPath + "/{id}/delete", p.getDelete},
		{"POST " + infoPath + "/{id}/delete", p.postDelete},
		{"GET " + infoPath + "/{id}/undo", p.getUndo},
		{"POST " + infoPath + "/{id}/undo", p.postUndo},
		{"GET " + infoPath + "/{id}/change", p.getChange},
		{"POST " + infoPath + "/{id}/change", p.postChange},
		{"GET " + infoPath + "/{id}/default", p.getDefault},
		{"POST " + infoPath + "/{id}/default", p.postDefault},
	}...)
}

// who is the visitor as room securityinfo takes them.
func (v visitor) who() securityinfo.Who {
	return securityinfo.Who{Account: v.Account, Session: v.Session, IP: v.by.IP}
}

func (v visitor) base(name, title, back string) page.Base {
	return page.Base{Name: name, Title: title, Brand: page.BrandOf(v.Org), UserID: v.Account.Entry.UserID, BackTo: back}
}

// person is a page's code for somebody who is signed in. Where the room asks for
// a fresh proof, they are sent to give one and come back to next.
func (p *Portal) person(w http.ResponseWriter, r *http.Request, next string, do func(v visitor) error) error {
	v, answered, err := p.visitor(w, r)
	if answered || err != nil {
		return err
	}
	err = do(v)
	switch {
	case problem.Has(err, problem.StepUp):
		return stepUp(w, r, next)
	case problem.Has(err, problem.SignedOut):
		return page.See(w, r, withNext("/signin", next))
	}
	return err
}

// refusalOf gives a refusal that the page itself can show; an error of ours, a
// missing proof and an ended session are not.
func refusalOf(err error) (*problem.Error, bool) {
	refusal, ok := problem.As(err)
	if !ok || refusal.Code == problem.StepUp || refusal.Code == problem.SignedOut || refusal.Code == problem.NotFound {
		return nil, false
	}
	return refusal, refusal.Code.Status() < http.StatusInternalServerError || refusal.Code == problem.Busy
}

// keepSession sets the browser's new token, where a step gave one.
func (p *Portal) keepSession(w http.ResponseWriter, token string) {
	if token != "" {
		p.setSession(w, token)
	}
}

// infoPage is the list of a person's methods.
type infoPage struct {
	page.Base
	Methods []infoRow
	Deleted []deletedRow
	Reset   securityinfo.Reset
	Org     string
	// Outside tells that nothing can be registered from where the person is.
	Outside bool
	// Given is how many the organization entered that are not confirmed.
	Given int
	// Console tells that the person is an administrator.
	Console bool
	// Passkeys tells the browser which ones still count.
	Passkeys string
}

type infoRow struct {
	securityinfo.Row
	ByAdministrator bool
}

type deletedRow struct {
	method.Method
	Until string
}

// doneNotices are the messages that a change leaves for the list, by what stands in the
// address.
var doneNotices = map[string]string{
	"added": "securityinfo.done.added", "changed": "securityinfo.done.changed", "deleted": "securityinfo.done.deleted",
	"undone": "securityinfo.done.undone", "default": "securityinfo.done.default", "renamed": "securityinfo.done.renamed",
	"confirmed": "securityinfo.done.confirmed", "added-codes": "securityinfo.done.added-codes",
}

func (p *Portal) getSecurityInfo(w http.ResponseWriter, r *http.Request) error {
	return p.person(w, r, infoPath, func(v visitor) error {
		shown, err := p.infoPage(r, v)
		if err != nil {
			return err
		}
		shown.Notice = doneNotices[r.URL.Query().Get("done")]
		return p.Pages.Write(w, r, http.StatusOK, "securityinfo_list", shown)
	})
}

func (p *Portal) infoPage(r *http.Request, v visitor) (*infoPage, error) {
	view, err := p.SecurityInfo.View(r.Context(), v.who())
	if err != nil {
		return nil, err
	}
	shown := &infoPage{Base: v.base("security-info", "securityinfo.title", ""), Reset: view.Reset, Org: v.Org.Name, Outside: view.Outside, Passkeys: view.Passkeys}
	_, shown.Console = v.Org.RoleOf(v.Account.Entry.UserID, v.Account.Entry.Groups)
	for _, row := range view.Methods {
		shown.Methods = append(shown.Methods, infoRow{row, row.ProvedBy == method.ByAdministrator && !row.Given})
		if row.Given {
			shown.Given++
		}
	}
	for _, m := range view.Deleted {
		shown.Deleted = append(shown.Deleted, deletedRow{m, v.printer(r).Date(securityinfo.UndoUntil(m))})
	}
	return shown, nil
}

func seeDone(w http.ResponseWriter, r *http.Request, what string) error {
	return page.See(w, r, infoPath+"?done="+what)
}
