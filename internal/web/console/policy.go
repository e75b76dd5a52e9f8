package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type policyPage struct {
	page.Base
	May      bool
	Document string
	Version  int64
	Faults   config.Faults
	// Changes and Effect are shown before saving, once Previewed.
	Previewed bool
	Changes   []org.Change
	Effect    report.Effect
}

func (c *Console) getPolicy(w http.ResponseWriter, r *http.Request, d desk) error {
	text, err := d.Org.Policy.Text()
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_policy", c.policyPage(r, d, text, d.Org.Version))
}

func (c *Console) policyPage(r *http.Request, d desk, text string, version int64) *policyPage {
	return &policyPage{Base: d.base(r, "policy", "policy"), May: d.as.May(admin.ChangePolicy), Document: text, Version: version}
}

// postPolicy first says what the document would do, and saves it when it is
// sent once more with that in sight.
func (c *Console) postPolicy(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadLongForm(r)
	if err != nil {
		return err
	}
	version, err := strconv.ParseInt(form["version"], 10, 64)
	if err != nil {
		return problem.New(problem.BadInput).On("version")
	}
	view := c.policyPage(r, d, form["document"], version)
	p, err := org.ParsePolicy(strings.NewReader(form["document"]))
	if errors.As(err, &view.Faults) {
		return c.refuse(w, r, "console_policy", view, &view.Base, problem.New(problem.DocumentWrong).On("document"))
	}
	if err != nil {
		return err
	}
	if form["action"] != "save" {
		view.Previewed, view.Changes = true, org.Difference(d.Org, d.Org.WithPolicy(p))
		if view.Effect, err = c.Report.Try(r.Context(), d.Org, p); err != nil {
			return err
		}
		return c.Pages.Write(w, r, http.StatusOK, "console_policy", view)
	}
	err = c.DB.Write(r.Context(), func(tx *store.Tx) error {
		return c.Orgs.SetPolicy(r.Context(), tx, d.as.By, d.Org.ID, p, version)
	})
	if refusal, ok := problem.As(err); ok && page.Status(refusal.Code) < http.StatusInternalServerError {
		view.Version = d.Org.Version // what was typed stays, to be compared with what is there now
		return c.refuse(w, r, "console_policy", view, &view.Base, refusal)
	}
	if errors.As(err, &view.Faults) {
		return c.refuse(w, r, "console_policy", view, &view.Base, problem.New(problem.DocumentWrong).On("document"))
	}
	if err != nil {
		return err
	}
	return page.See(w, r, "/console/policy?"+url.Values{"done": {string(admin.ChangePolicy)}}.Encode())
}
