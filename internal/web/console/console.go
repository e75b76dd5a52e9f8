package console

import (
	"embed"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/webhook"
)

//go:embed templates
var templates embed.FS

// Templates are the pages' templates, for the renderer.
func Templates() (fs.FS, error) { return fs.Sub(templates, "templates") }

// Deps are what the pages call.
type Deps struct {
	DB       *store.DB
	Orgs     *org.Service
	Accounts *account.Service
	Methods  *method.Service
	SignIn   *signin.Service
	Admin    *admin.Service
	Helpdesk *helpdesk.Service
	Report   *report.Service
	Roster   *roster.Service
	Audit    *audit.Service
	Notify   *notify.Service
	Webhooks *webhook.Service
	Domains  *domain.Service
	Pages    *page.Renderer
	Secure   bool // people come over https
}

// Console is the pages.
type Console struct{ Deps }

// New refuses missing parts.
func New(d Deps) (*Console, error) {
	if d.DB == nil || d.Orgs == nil || d.Accounts == nil || d.Methods == nil || d.SignIn == nil || d.Admin == nil || d.Helpdesk == nil ||
		d.Report == nil || d.Roster == nil || d.Audit == nil || d.Notify == nil || d.Webhooks == nil || d.Domains == nil || d.Pages == nil {
		return nil, errors.New("console: a part is missing")
	}
	return &Console{d}, nil
}

// Route is one method and path, what it needs, and its code.
type Route struct {
	Pattern string
	Needs   admin.Action
	handler func(http.ResponseWriter, *http.Request, desk) error
}

// desk is an administrator at work.
type desk struct {
	signin.Signed
	as admin.Authority
}

// Routes lists every page.
func (c *Console) Routes() []Route {
	return []Route{
		{"GET /console", admin.SeeOverview, c.getOverview},
		{"GET /console/people", admin.SeePeople, c.getPeople},
		{"POST /console/people", admin.SeePeople, c.postPeople},
		{"GET /console/people/import", admin.ImportPeople, c.getImports},
		{"POST /console/people/import", admin.ImportPeople, c.postImport},
		{"GET /console/people/import/{id}", admin.ImportPeople, c.getImport},
		{"POST /console/people/import/{id}", admin.ImportPeople, c.postImported},
		{"GET /console/people/import/{id}/bad.csv", admin.ImportPeople, c.getBadRows},
		{"POST /console/people/export", admin.ExportPeople, c.postExportPeople},
		{"GET /console/people/{key}", admin.SeePeople, c.getPerson},
		{"POST /console/people/{key}", admin.SeePeople, c.postPerson},
		{"GET /console/requests", admin.SeeRequests, c.getRequests},
		{"GET /console/requests/{id}", admin.SeeRequests, c.getRequest},
		{"POST /console/requests/{id}", admin.ResolveRequest, c.postRequest},
		{"GET /console/policy", admin.SeePolicy, c.getPolicy},
		{"POST /console/policy", admin.ChangePolicy, c.postPolicy},
		{"GET /console/policy/document", admin.SeePolicy, c.getPolicyDocument},
		{"POST /console/policy/document", admin.ChangePolicy, c.postPolicyDocument},
		{"GET /console/reports", admin.SeeReports, c.getReports},
		{"GET /console/reports.csv", admin.SeeReports, c.getReportsCSV},
		{"GET /console/reports.json", admin.SeeReports, c.getReportsJSON},
		{"GET /console/audit", admin.SeeAudit, c.getAudit},
		{"POST /console/audit", admin.SeeAudit, c.postAudit},
		{"GET /console/audit/events/{id}/proof", admin.SeeAudit, c.getProof},
		{"POST /console/audit/export", admin.ExportAudit, c.postExport},
		{"GET /console/audit/consistency", admin.SeeAudit, c.getContinues},
		{"GET /console/audit/checkpoint", admin.SeeAudit, c.getCheckpoint},
		{"GET /console/messages", admin.SeeMessages, c.getMessages},
		{"GET /console/messages/{name}/{language}", admin.SeeMessages, c.getMessage},
		{"POST /console/messages/{name}/{language}", admin.ChangeMessages, c.postMessage},
		{"GET /console/settings", admin.SeeSettings, c.getSettings},
		{"POST /console/settings", admin.ManageKeys, c.postSettings},
		{"GET " + helpTextsPath, admin.SeeMessages, c.getHelpTexts},
		{"GET " + helpTextsPath + "/{name}/{language}", admin.SeeMessages, c.getHelpText},
		{"POST " + helpTextsPath + "/{name}/{language}", admin.ChangeMessages, c.postHelpText},
		{"GET " + domainsPath, admin.SeeSettings, c.getDomains},
		{"POST " + domainsPath, admin.ManageDomains, c.postDomains},
		{"GET " + webhooksPath, admin.SeeSettings, c.getWebhooks},
		{"POST " + webhooksPath, admin.ManageWebhooks, c.postWebhooks},
		{"GET " + BrandingPath, admin.ChangeBranding, c.getBranding},
		{"POST " + BrandingPath, admin.ChangeBranding, c.postBranding},
		{"GET " + BrandingPath + "/sample.css", admin.ChangeBranding, c.getSample},
		{"GET /console/directory", admin.SeeDirectory, c.getDirectory},
		{"POST /console/directory", admin.TestDirectory, c.postDirectory},
		{"GET /console/settings/administrators", admin.SeeSettings, c.getAdministrators},
		{"POST /console/settings/administrators", admin.ManageAdministrators, c.postAdministrators},
	}
}

// Handler is the route's code behind the question who asks.
func (c *Console) Handler(r Route) page.Handler {
	return func(w http.ResponseWriter, req *http.Request) error {
		d, answered, err := c.admit(w, req)
		if answered || err != nil {
			return err
		}
		if !d.as.May(r.Needs) {
			return problem.New(problem.Forbidden)
		}
		return r.handler(w, req, d)
	}
}

// admit finds who asks. The second result tells that the answer has been given.
func (c *Console) admit(w http.ResponseWriter, r *http.Request) (desk, bool, error) {
	token := ""
	if cookie, err := r.Cookie(page.CookieName(c.Secure, page.SessionCookie)); err == nil {
		token = cookie.Value
	}
	signed, err := c.SignIn.Current(r.Context(), token)
	if problem.Has(err, problem.SignedOut) {
		return desk{}, true, page.See(w, r, "/signin?"+url.Values{"next": {"/console"}}.Encode())
	}
	if err != nil {
		return desk{}, true, err
	}
	role, ok := signed.Org.RoleOf(signed.Account.Entry.UserID, signed.Account.Entry.Groups)
	switch {
	case signed.Session.MustChange:
		return desk{}, true, page.See(w, r, "/password")
	case !ok:
		return desk{}, true, problem.New(problem.Forbidden)
	case len(signed.Factors()) == 0:
		return desk{}, true, c.needFactor(w, r, signed)
	case signed.Session.Level != session.Full || !signed.Session.OwnFactor():
		return desk{}, true, page.See(w, r, "/signin/verify?"+url.Values{"next": {"/console"}}.Encode())
	}
	return desk{signed, admin.Authority{By: byAdmin(signed, r), Role: role, Fresh: signed.Fresh(signin.FreshFor)}}, false, nil
}

func byAdmin(s signin.Signed, r *http.Request) audit.Actor {
	by := s.Actor(page.Actor(r))
	by.Kind = audit.Admin
	return by
}

type factorPage struct{ page.Base }

// needFactor tells an administrator without a second factor to register one.
func (c *Console) needFactor(w http.ResponseWriter, r *http.Request, s signin.Signed) error {
	view := &factorPage{page.Base{Name: "console-factor", Title: "console.factor.title", Brand: brandOf(s.Org), UserID: s.Account.Entry.UserID}}
	return c.Pages.Write(w, r, http.StatusForbidden, "console_factor", view)
}

// brandOf leaves the color out: the console is the product's.
func brandOf(o *org.Organization) page.Brand {
	b := page.BrandOf(o)
	b.Style = ""
	return b
}

// places are the navigation, with what each needs.
var places = []struct {
	path, name string
	needs      admin.Action
}{
	{"/console", "overview", admin.SeeOverview},
	{"/console/people", "people", admin.SeePeople},
	{"/console/requests", "requests", admin.SeeRequests},
	{"/console/policy", "policy", admin.SeePolicy},
	{"/console/reports", "reports", admin.SeeReports},
	{"/console/audit", "audit", admin.SeeAudit},
	{"/console/messages", "messages", admin.SeeMessages},
	{"/console/directory", "directory", admin.SeeDirectory},
	{"/console/settings", "settings", admin.SeeSettings},
}

// base is the frame of a page. place is the navigation's name for it.
func (d desk) base(r *http.Request, name, place string) page.Base {
	b := page.Base{
		Name: "console-" + name, Title: "console." + name + ".title", Brand: brandOf(d.Org), UserID: d.Account.Entry.UserID, BackTo: "/security-info",
	}
	for _, p := range places {
		if d.as.May(p.needs) {
			b.Nav = append(b.Nav, page.NavItem{Path: p.path, Title: "console.nav." + p.name, Current: p.name == place})
		}
	}
	b.Nav = append(b.Nav, page.NavItem{Path: "/security-info", Title: "console.nav.security-info"})
	if notice := r.URL.Query().Get("done"); notice != "" && strings.Trim(notice, "abcdefghijklmnopqrstuvwxyz_-") == "" {
		b.Notice = "console.done." + notice
	}
	return b
}

// refuse answers with the same page and the refusal in place.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, template string, view page.Page, base *page.Base, refusal *problem.Error) error {
	base.Refuse(refusal, page.Lang(r))
	page.RetryAfter(w, refusal.RetryAfter)
	status := refusal.Code.Status()
	if status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge {
		status = http.StatusUnprocessableEntity
	}
	return c.Pages.Write(w, r, status, template, view)
}
