package console

import (
	"net/http"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/webhook"
)

type overviewPage struct {
	page.Base
	Figures report.Registration
	Today   report.Activity
	Open    int // requests
	// Failed are messages given up in the last day.
	Failed   int
	Warnings []warning
	Off      int // webhooks that were paused because they failed
	Aside    int // events that webhooks refused
	Gone     int // verified domains whose record is missing
	List     roster.Status
}

// warning is something to mend, and where.
type warning struct {
	Key  string // catalogue key
	N    int
	Path string // empty: nothing here mends it
}

func (c *Console) getOverview(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &overviewPage{Base: d.base(r, "overview", "overview")}
	var err error
	if view.Figures, err = c.Report.Registration(r.Context(), d.Org); err != nil {
		return err
	}
	err = c.DB.Read(r.Context(), func(tx *store.Tx) error {
		today := report.DayOf(tx.Now())
		period, err := c.Report.Activity(r.Context(), tx, d.Org.ID, today, today)
		if err != nil {
			return err
		}
		view.Today = period.Days[0]
		open, err := c.Helpdesk.List(r.Context(), tx, helpdesk.Query{OrgID: d.Org.ID, State: helpdesk.StateOpen, Limit: mostOpen})
		if err != nil {
			return err
		}
		view.Open = len(open)
		counts, err := c.Notify.CountFor(r.Context(), tx, d.Org.ID, tx.Now().AddDate(0, 0, -1))
		view.Failed = counts[notify.Failed]
		if err != nil {
			return err
		}
		hooks, err := c.Webhooks.List(r.Context(), tx, d.Org.ID)
		for _, h := range hooks {
			if view.Aside += h.SetAside; !h.PausedAt.IsZero() && h.PausedFor != webhook.ByHand {
				view.Off++
			}
		}
		if err != nil {
			return err
		}
		if view.Gone, err = c.Domains.Gone(r.Context(), tx, d.Org); err != nil {
			return err
		}
		view.List, err = c.Roster.Status(r.Context(), tx, d.Org)
		return err
	})
	if err != nil {
		return err
	}
	view.Warnings = warnings(view, d)
	return c.Pages.Write(w, r, http.StatusOK, "console_overview", view)
}

// mostOpen is up to how many open requests are counted exactly.
const mostOpen = 200

func warnings(v *overviewPage, d desk) []warning {
	var all []warning
	add := func(found bool, key string, n int, path string, needs admin.Action) {
		if !found {
			return
		}
		if !d.as.May(needs) {
			path = ""
		}
		all = append(all, warning{"console.warning." + key, n, path})
	}
	missing := v.Figures.Enabled - v.Figures.Capable
	add(missing > 0, "not-registered", missing, "/console/people?show=not-registered", admin.SeePeople)
	add(v.Open > 0, "requests", v.Open, "/console/requests", admin.SeeRequests)
	add(v.Failed > 0, "messages", v.Failed, "/console/messages", admin.SeeMessages)
	add(v.Off > 0, "webhooks", v.Off, webhooksPath, admin.SeeSettings)
	add(v.Aside > 0, "set-aside", v.Aside, webhooksPath, admin.SeeSettings)
	add(v.Gone > 0, "domains", v.Gone, domainsPath, admin.SeeSettings)
	add(v.List.Failure != "", "list-"+string(v.List.Failure), 0, "/console/directory", admin.SeeDirectory)
	add(d.Org.Policy.Reset.Scope == "none", "off", 0, "/console/policy", admin.SeePolicy)
	add(d.Org.Support.Email == "", "support", 0, BrandingPath, admin.ChangeBranding)
	return all
}
