package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/securityinfo"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type peoplePage struct {
	page.Base
	Query string
	Show  admin.Show
	Shows []admin.Show
	Kind  method.Kind
	Kinds []method.Kind
	List  admin.List
	// What is offered beside the list.
	MayImport, MayExport bool
}

var shows = []admin.Show{admin.ShowAll, admin.ShowCapable, admin.ShowNotRegistered, admin.ShowNotEnabled}

// getPeople shows the first page of everyone; whoever is looked for is in a
// form's body and never in an address.
func (c *Console) getPeople(w http.ResponseWriter, r *http.Request, d desk) error {
	q := r.URL.Query()
	return c.people(w, r, d, admin.Query{Show: showOf(q.Get("show")), Kind: kindOf(q.Get("kind"))})
}

func (c *Console) postPeople(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return c.people(w, r, d, admin.Query{Prefix: form["q"], Show: showOf(form["show"]), Kind: kindOf(form["kind"]), After: form["after"]})
}

func (c *Console) people(w http.ResponseWriter, r *http.Request, d desk, q admin.Query) error {
	list, err := c.Admin.People(r.Context(), d.as, d.Org, q)
	if err != nil {
		return err
	}
	view := &peoplePage{
		Base: d.base(r, "people", "people"), Query: q.Prefix, Show: q.Show, Shows: shows, Kind: q.Kind, Kinds: built(), List: list,
	}
	view.allow(d, c.Admin.Listable(d.Org))
	return c.Pages.Write(w, r, http.StatusOK, "console_people", view)
}

func showOf(name string) admin.Show {
	for _, s := range shows {
		if string(s) == name {
			return s
		}
	}
	return admin.ShowAll
}

func kindOf(name string) method.Kind {
	k, ok := method.ParseKind(name)
	if !ok {
		return ""
	}
	return k
}

func built() []method.Kind {
	var all []method.Kind
	for _, k := range method.Kinds() {
		if k.Built() {
			all = append(all, k)
		}
	}
	return all
}

type personPage struct {
	page.Base
	Key    string
	Person admin.Person
	Acts   []admin.Action
	Events []audit.Record // nil where the role does not see them
	Help   helpView

	MayExport, MayErase, MayManage bool

	Sessions []sessionRow // nil where the role may not end them
}

// sessionRow is one browser in which a person is signed in.
type sessionRow struct {
	session.Session
	Factor string // the kind of method, session.ByProvider, admin.DeletedFactor or empty
}

// UndoUntil is until when a deleted method can be brought back.
func (personPage) UndoUntil(m admin.Method) time.Time { return securityinfo.UndoUntil(m.Method) }

// recent is how many events of a person their page shows.
const recent = 20

func (c *Console) getPerson(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.person(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_person", view)
}

func (c *Console) person(r *http.Request, d desk) (*personPage, error) {
	view := &personPage{Base: d.base(r, "person", "people"), Key: r.PathValue("key")}
	var err error
	if view.Person, err = c.Admin.ByKey(r.Context(), d.as, d.Org, view.Key); err != nil {
		return nil, err
	}
	view.Acts = d.as.Acts(view.Person)
	view.MayExport = d.as.MayOn(admin.ExportPerson, view.Person)
	view.MayErase = d.as.MayOn(admin.ErasePerson, view.Person) && admin.MayBeErased(d.Org, view.Person)
	view.MayManage = d.as.MayOn(admin.ManageMethods, view.Person)
	if view.Help, err = c.help(r, d, view.Person); err != nil {
		return nil, err
	}
	if d.as.MayOn(admin.RevokeSessions, view.Person) {
		all, err := c.Admin.Sessions(r.Context(), d.as, d.Org, view.Person)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			view.Sessions = append(view.Sessions, sessionRow{s, view.Person.FactorOf(s)})
		}
	}
	if !d.as.May(admin.SeeAudit) {
		return view, nil
	}
	err = c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Events, err = c.Audit.List(r.Context(), tx, audit.Query{Org: d.Org.ID, Target: view.Person.Account.ID, Limit: recent})
		return err
	})
	return view, err
}

func (c *Console) postPerson(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view, err := c.person(r, d)
	if err != nil {
		return err
	}
	what := admin.Action(form["act"])
	if what == admin.ExportPerson {
		return c.exportPerson(w, r, d, view)
	}
	shown, err := c.act(r, d, view, what, form)
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		return c.refuse(w, r, "console_person", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	if shown {
		return c.Pages.Write(w, r, http.StatusOK, "console_person", view)
	}
	if what == admin.ErasePerson { // there is nobody any more to go back to
		return page.See(w, r, "/console/people?"+url.Values{"done": {string(what)}}.Encode())
	}
	return page.See(w, r, "/console/people/"+url.PathEscape(view.Key)+"?"+url.Values{"done": {string(what)}}.Encode())
}

// exportPerson gives everything that is kept of a person as a file, in the answer to
// a POST: that somebody asked is recorded.
func (c *Console) exportPerson(w http.ResponseWriter, r *http.Request, d desk, view *personPage) error {
	all, err := c.Admin.DataOf(r.Context(), d.as, d.Org, view.Person)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-person.json"`)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(all) // the client may be gone
	return nil
}
