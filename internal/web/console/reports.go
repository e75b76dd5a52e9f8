package console

import (
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
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

// span of days a report shows when nobody says which.
const usualDays = 30

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
		from, to, err := span(r, tx.Now())
		if err != nil {
			return err
		}
		view.From, view.To = from.Time().Format(time.DateOnly), to.Time().Format(time.DateOnly)
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
		label := a.Day.Time().Format(time.DateOnly)
		resets = append(resets, bar{Label: label, Value: a.Completed + a.Unlocked})
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

// span is the days that an address asks for.
func span(r *http.Request, now time.Time) (from, to report.Day, err error) {
	to = report.DayOf(now)
	from = to - usualDays + 1
	for name, into := range map[string]*report.Day{"from": &from, "to": &to} {
		text := r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.DateOnly, text)
		if err != nil {
			return 0, 0, problem.New(problem.BadInput).On(name)
		}
		*into = report.DayOf(at)
	}
	if from > to || to-from >= 3660 {
		return 0, 0, problem.New(problem.BadInput).On("from")
	}
	return from, to, nil
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
		line := []string{a.Day.Time().Format(time.DateOnly)}
		for _, n := range []int{a.Completed, a.Unlocked, a.Changed, a.Abandoned, a.Blocked, a.Refused, a.Requests, a.SignedIn, a.NotSigned} {
			line = append(line, strconv.Itoa(n))
		}
		_ = out.Write(line)
	}
	out.Flush()
	return nil // the client may be gone; the header is out already
}
