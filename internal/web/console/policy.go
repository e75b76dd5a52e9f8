package console

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

// policyView is what the form and the document have in common: what a change
// would do, shown before it is saved.
type policyView struct {
	page.Base
	May     bool
	Version int64
	// Changes and Effect are there once Previewed.
	Previewed bool
	Changes   []policyChange
	Effect    report.Effect
}

type policyPage struct {
	policyView
	Sections []policySection
	// Filled tells that the fields hold a preset's values, not saved yet.
	Filled string
	// Elsewhere are faults that belong to no field.
	Elsewhere []string
}

type policyDocumentPage struct {
	policyView
	Document string
	Faults   []placedFault
}

// placedFault is what is wrong with a document, and where.
type placedFault struct {
	Line      int
	Key, Text string
}

func (c *Console) policyView(r *http.Request, d desk, name string, version int64) policyView {
	return policyView{Base: d.base(r, name, "policy"), May: d.as.May(admin.ChangePolicy), Version: version}
}

func (c *Console) getPolicy(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &policyPage{policyView: c.policyView(r, d, "policy", d.Org.Version)}
	view.Sections = policyForm(i18n.For(page.Lang(r)), valuesOf(d.Org.Policy), nil)
	return c.Pages.Write(w, r, http.StatusOK, "console_policy", view)
}

// postPolicy first says what the fields would do, and saves them when they are
// sent once more with that in sight.
func (c *Console) postPolicy(w http.ResponseWriter, r *http.Request, d desk) error {
	form, version, err := readPolicy(r)
	if err != nil {
		return err
	}
	values, printer := policyValues(form), i18n.For(page.Lang(r))
	view := &policyPage{policyView: c.policyView(r, d, "policy", version)}
	if filled, ok := values.withPreset(form["preset"]); ok && form["action"] == "preset" {
		view.Filled = optionWords(printer, "preset", form["preset"])
		view.Sections = policyForm(printer, filled, nil)
		return c.Pages.Write(w, r, http.StatusOK, "console_policy", view)
	}
	view.Sections = policyForm(printer, values, nil)
	text, err := values.document()
	if err != nil {
		return err
	}
	return c.weigh(w, r, d, weighing{text: text, action: form["action"], template: "console_policy", view: view, shared: &view.policyView,
		blame: func(faults config.Faults) string {
			view.Sections = policyForm(printer, values, faults)
			view.Elsewhere = elsewhere(printer, view.Sections, faults)
			return firstFault(view.Sections)
		}})
}

func (c *Console) getPolicyDocument(w http.ResponseWriter, r *http.Request, d desk) error {
	text, err := d.Org.Policy.Text()
	if err != nil {
		return err
	}
	view := &policyDocumentPage{policyView: c.policyView(r, d, "policy-document", d.Org.Version), Document: text}
	return c.Pages.Write(w, r, http.StatusOK, "console_policy_document", view)
}

func (c *Console) postPolicyDocument(w http.ResponseWriter, r *http.Request, d desk) error {
	form, version, err := readPolicy(r)
	if err != nil {
		return err
	}
	view := &policyDocumentPage{policyView: c.policyView(r, d, "policy-document", version), Document: form["document"]}
	return c.weigh(w, r, d, weighing{text: form["document"], action: form["action"], template: "console_policy_document", view: view, shared: &view.policyView,
		blame: func(faults config.Faults) string {
			for _, f := range faults {
				view.Faults = append(view.Faults, placedFault{f.Line, f.Key, f.In(i18n.For(page.Lang(r)))})
			}
			return "document"
		}})
}

func readPolicy(r *http.Request) (page.Form, int64, error) {
	form, err := page.ReadLongForm(r)
	if err != nil {
		return nil, 0, err
	}
	version, err := strconv.ParseInt(form["version"], 10, 64)
	if err != nil {
		return nil, 0, problem.New(problem.BadInput).On("version")
	}
	return form, version, nil
}

// weighing is a policy that was sent, and the page that it came from.
type weighing struct {
	text, action, template string
	view                   page.Page
	shared                 *policyView
	// blame puts the faults on the page and names the field that has the first.
	blame func(config.Faults) string
}

// weigh says what a policy would do, or saves it.
func (c *Console) weigh(w http.ResponseWriter, r *http.Request, d desk, sent weighing) error {
	view := sent.shared
	wrong := func(faults config.Faults) error {
		refusal := problem.New(problem.DocumentWrong).On(sent.blame(faults))
		return c.refuse(w, r, sent.template, sent.view, &view.Base, refusal)
	}
	var faults config.Faults
	p, err := org.ParsePolicy(strings.NewReader(sent.text))
	if errors.As(err, &faults) {
		return wrong(faults)
	}
	if err != nil {
		return err
	}
	if sent.action != "save" {
		view.Previewed, view.Changes = true, changesInWords(i18n.For(page.Lang(r)), d.Org.Policy, p)
		if view.Effect, err = c.Report.Try(r.Context(), d.Org, p); err != nil {
			return err
		}
		return c.Pages.Write(w, r, http.StatusOK, sent.template, sent.view)
	}
	err = c.DB.Write(r.Context(), func(tx *store.Tx) error {
		return c.Orgs.SetPolicy(r.Context(), tx, d.as.By, d.Org.ID, p, view.Version)
	})
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		view.Version = d.Org.Version // what was typed stays, to be compared with what is there now
		return c.refuse(w, r, sent.template, sent.view, &view.Base, refusal)
	}
	if errors.As(err, &faults) {
		return wrong(faults)
	}
	if err != nil {
		return err
	}
	return page.See(w, r, r.URL.Path+"?"+url.Values{"done": {string(admin.ChangePolicy)}}.Encode())
}

// firstFault is the key of the first field on the page that is refused.
func firstFault(sections []policySection) string {
	for _, s := range sections {
		for _, f := range s.Fields {
			for _, one := range append([]policyField{f}, f.Parts...) {
				if one.Fault != "" {
					return one.Key
				}
			}
		}
	}
	return ""
}

// elsewhere are the faults that no field shows.
func elsewhere(printer *i18n.Printer, sections []policySection, faults config.Faults) []string {
	var keys, all []string
	for _, s := range sections {
		for _, f := range s.Fields {
			keys = append(keys, f.Key)
			for _, part := range f.Parts {
				keys = append(keys, part.Key)
			}
		}
	}
	for _, f := range faults {
		if name, _, _ := strings.Cut(f.Key, "["); !slices.Contains(keys, name) {
			all = append(all, strings.TrimPrefix(f.Key+": "+f.In(printer), ": "))
		}
	}
	return all
}
