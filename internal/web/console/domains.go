package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

const domainsPath = "/console/settings/domains"

type domainsPage struct {
	page.Base
	May     bool
	Version int64
	Domains []domain.Domain
	Typed   string
	// Removing is the domain whose end is asked about, with what it would do.
	Removing *domain.Domain
	People   int
	Counted  bool // People is known
	Wrong    []string
}

// What the page of domains is asked for.
const (
	addDomain    = "add_domain"
	verifyDomain = "verify_domain"
	askDomain    = "ask_domain"
	removeDomain = "remove_domain"
)

func (c *Console) getDomains(w http.ResponseWriter, r *http.Request, d desk) error {
	view, err := c.domains(r, d)
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_domains", view)
}

func (c *Console) domains(r *http.Request, d desk) (*domainsPage, error) {
	view := &domainsPage{Base: d.base(r, "domains", "settings"), May: d.as.May(admin.ManageDomains), Version: d.Org.Version}
	err := c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Domains, err = c.Domains.List(r.Context(), tx, d.Org)
		return err
	})
	return view, err
}

func (c *Console) postDomains(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	view, err := c.domains(r, d)
	if err != nil {
		return err
	}
	done, err := c.changeDomains(r, d, view, form)
	if err == nil && done == askDomain {
		return c.Pages.Write(w, r, http.StatusOK, "console_domains", view)
	}
	if err == nil {
		next := domainsPath
		if done != "" {
			next += "?" + url.Values{"done": {done}}.Encode()
		}
		return page.See(w, r, next)
	}
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			view.Wrong = append(view.Wrong, f.In(i18n.For(page.Lang(r))))
		}
		err = problem.New(problem.DocumentWrong)
	}
	if refusal, ok := problem.As(err); ok && refusal.Code.Status() < http.StatusInternalServerError {
		return c.refuse(w, r, "console_domains", view, &view.Base, refusal)
	}
	return err
}

// changeDomains does what was asked for and says what was done; nothing where a
// record was looked for in vain, which the list tells.
func (c *Console) changeDomains(r *http.Request, d desk, view *domainsPage, form page.Form) (done string, err error) {
	ctx, name := r.Context(), form["domain"]
	switch act := form["act"]; act {
	case addDomain:
		view.Typed = name
		return act, c.DB.Write(ctx, func(tx *store.Tx) error {
			_, err := c.Domains.Add(ctx, tx, d.as.By, d.Org, name)
			return err
		})
	case verifyDomain:
		found, err := c.Domains.Verify(ctx, d.as.By, d.Org, name)
		if found.State == domain.Verified && found.GoneAt.IsZero() {
			return act, err
		}
		return "", err
	case askDomain:
		return act, c.askDomain(r, d, view, name)
	case removeDomain:
		version, err := strconv.ParseInt(form["version"], 10, 64)
		if err != nil {
			return "", problem.New(problem.BadInput).On("version")
		}
		if err := c.askDomain(r, d, view, name); err != nil {
			return "", err
		}
		if view.Removing.State == domain.Verified && !strings.EqualFold(strings.TrimSpace(form["confirm"]), view.Removing.Name) {
			return "", problem.New(problem.ConfirmWrong).On("confirm")
		}
		return act, c.DB.Write(ctx, func(tx *store.Tx) error {
			return c.Domains.Remove(ctx, tx, d.as.By, d.Org.ID, name, version)
		})
	}
	return "", problem.New(problem.BadInput).On("act")
}

// askDomain tells what removing a domain would do to people.
func (c *Console) askDomain(r *http.Request, d desk, view *domainsPage, name string) error {
	err := c.DB.Read(r.Context(), func(tx *store.Tx) error {
		found, err := c.Domains.One(r.Context(), tx, d.Org, name)
		view.Removing = &found
		return err
	})
	if err != nil {
		view.Removing = nil
		return err
	}
	view.People, view.Counted, err = c.Admin.PeopleIn(r.Context(), d.Org, view.Removing.Name)
	return err
}
