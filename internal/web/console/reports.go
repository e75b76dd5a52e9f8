package console

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type reportsPage struct {
	page.Base
	From, To     string // dates, as the form has them
	Period       report.Period
	Figures      report.Registration
	Resets       chart
	Registered   chart
	History      []report.Registration
	Proofs       []counted
	Refusals     []counted
	Total        report.Activity
	HelpdeskFree int // resets and unlocks nobody had to call for
}

type counted struct {
	Name string
	N    int
}

func (c *Console) getReports(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &reportsPage{Base: d.base(r, "reports", "reports")}
	if err := c.report(r, d, view); err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_reports", view)
}

func (c *Console) report(r *http.Request, d desk, view *reportsPage) error {
	var err error
	if view.Figures, err = c.Report.Registration(r.Context(), d.Org); err != nil {
		return err
	}
	return c.DB.Read(r.Context(), func(tx *store.Tx) error {
		from, to, err := report.Days(r.URL.Query().Get("from"), r.URL.Query().Get("to"), tx.Now())
		if err != nil {
			return err
		}
		view.From, view.To = from.String(), to.String()
		if view.Period, err = c.Report.Activity(r.Context(), tx, d.Org.ID, from, to); err != nil {
			return err
		}
		if view.History, err = c.Report.History(r.Context(), tx, d.Org.ID, from, to); err != nil {
			return err
		}
		view.draw()
		return nil
	})
}

func (v *reportsPage) draw() {
	var resets, capable []bar
	for _, a := range v.Period.Days {
		resets = append(resets, bar{Label: a.Day.String(), Value: a.Completed + a.Unlocked})
		v.Total.Completed += a.Completed
		v.Total.Unlocked += a.Unlocked
		v.Total.Changed += a.Changed
		v.Total.Abandoned += a.Abandoned
		v.Total.Blocked += a.Blocked
		v.Total.Refused += a.Refused
		v.Total.Requests += a.Requests
	}
	for _, h := range v.History {
		capable = append(capable, bar{Label: h.At.UTC().Format(time.DateOnly), Value: h.Capable})
	}
	v.Resets, v.Registered = draw(resets), draw(capable)
	v.HelpdeskFree = v.Total.Completed + v.Total.Unlocked
	for _, k := range method.Kinds() {
		if n := v.Period.Proofs[k]; n > 0 {
			v.Proofs = append(v.Proofs, counted{string(k), n})
		}
	}
	for code, n := range v.Period.Refusals {
		v.Refusals = append(v.Refusals, counted{code, n})
	}
	slices.SortFunc(v.Refusals, func(a, b counted) int { return b.N - a.N })
}

// getReportsCSV gives the days as a table for spreadsheets: numbers and dates
// alone, so that nothing in it can be read as a formula.
func (c *Console) getReportsCSV(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &reportsPage{}
	if err := c.report(r, d, view); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-`+view.From+`-`+view.To+`.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write([]string{"day", "reset", "unlocked", "changed", "abandoned", "blocked", "refused", "requests", "signed_in", "signin_failed"})
	for _, a := range view.Period.Days {
		line := []string{a.Day.String()}
		for _, n := range []int{a.Completed, a.Unlocked, a.Changed, a.Abandoned, a.Blocked, a.Refused, a.Requests, a.SignedIn, a.NotSigned} {
			line = append(line, strconv.Itoa(n))
		}
		_ = out.Write(line)
	}
	out.Flush()
	return nil // the client may be gone; the header is out already
}
