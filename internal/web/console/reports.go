package console

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type reportsPage struct {
	page.Base
	From, To   string // dates that are shown
	First      string // as the form has them
	Last       string
	Spans      []span // ranges that are a click away
	Step       report.Step
	Period     report.Period
	Steps      []report.Activity // Period.Days by Step
	Figures    report.Registration
	Resets     chart
	History    []report.Registration // one for each Step
	Registered lines
	Methods    []share // people who have each
	Registers  chart   // methods that people registered
	SignIns    lines
	Proofs     []methodRow
	Endings    []share
	Times      []share
	Refusals   []share
	Rules      []share
	Left       []share

	tables []report.Table
}

// span is a range that ends today. Whole years are told as years.
type span struct {
	Days, Years int
	From        string
}

const year = 365

var spansOfDays = []int{30, 90, year, 3 * year}

// methodRow is what became of one kind of method.
type methodRow struct {
	Key           string
	Proved, Wrong int
}

func (c *Console) getReports(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &reportsPage{Base: d.base(r, "reports", "reports")}
	asked := r.URL.Query()
	err := c.report(r, d, asked.Get("from"), asked.Get("to"), view)
	if refusal, ok := problem.As(err); ok && refusal.Code == problem.DaysWrong {
		// The last days in its place, below what was typed.
		if err := c.report(r, d, "", "", view); err != nil {
			return err
		}
		view.First, view.Last = asked.Get("from"), asked.Get("to")
		return c.refuse(w, r, "console_reports", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_reports", view)
}

func (c *Console) report(r *http.Request, d desk, first, last string, view *reportsPage) error {
	var err error
	if view.Figures, err = c.Report.Registration(r.Context(), d.Org); err != nil {
		return err
	}
	return c.DB.Read(r.Context(), func(tx *store.Tx) error {
		from, to, err := report.Days(first, last, tx.Now())
		if err != nil {
			return err
		}
		view.From, view.To = from.String(), to.String()
		view.First, view.Last = view.From, view.To
		for _, days := range spansOfDays {
			view.Spans = append(view.Spans, span{days, days / year, (report.DayOf(tx.Now()) - report.Day(days) + 1).String()})
		}
		if view.Period, err = c.Report.Activity(r.Context(), tx, d.Org.ID, from, to); err != nil {
			return err
		}
		history, err := c.Report.History(r.Context(), tx, d.Org.ID, from, to)
		if err != nil {
			return err
		}
		view.tables = report.Tables(view.Period, history, view.Figures)
		view.draw(from, to, history)
		return nil
	})
}

func (v *reportsPage) draw(from, to report.Day, history []report.Registration) {
	v.Step = report.StepOf(int(to-from) + 1)
	v.Steps = report.Group(v.Period.Days, v.Step)
	bars := make([]bar, len(v.Steps))
	for i, a := range v.Steps {
		bars[i] = bar{Label: a.Day.String(), Value: a.Completed + a.Unlocked}
	}
	v.Resets = draw(bars)
	registers, signIns := make([]bar, len(v.Steps)), make([]point, len(v.Steps))
	for i, a := range v.Steps {
		registers[i] = bar{Label: a.Day.String(), Value: a.Registered}
		signIns[i] = point{At: (float64(i) + .5) / float64(len(v.Steps)), Values: []int{a.SignedIn, a.NotSigned, a.Locked}}
	}
	v.Registers = draw(registers)
	v.SignIns = drawLines([]string{"report.signin.succeeded", "report.signin.failed", "report.signin.locked"}, signIns)
	v.SignIns.First, v.SignIns.Last = from.String(), to.String()
	v.drawHistory(from, to, history)
	t := v.Period.Total
	v.Endings = shares([]share{
		{Key: "report.ending.reset", N: t.Completed}, {Key: "report.ending.unlocked", N: t.Unlocked}, {Key: "report.ending.abandoned", N: t.Abandoned},
		{Key: "report.ending.blocked", N: t.Blocked}, {Key: "report.ending.cancelled", N: t.Cancelled}, {Key: "report.ending.failed", N: t.Failed},
		{Key: "report.ending.contacted", N: t.Contacted},
	})
	var people []share
	for _, k := range method.Kinds() {
		if n := v.Figures.ByKind[k]; n > 0 {
			people = append(people, share{Key: "kind." + string(k), N: n})
		}
		if proved, wrong := v.Period.Proofs[k], v.Period.Failures[string(k)]; proved+wrong > 0 {
			v.Proofs = append(v.Proofs, methodRow{"kind." + string(k), proved, wrong})
		}
	}
	v.Methods = shares(people)
	var times []share
	for _, s := range v.Period.Finished {
		times = append(times, share{Key: "console.reports.in." + s.Name, N: s.Count})
	}
	v.Times = shares(times)
	v.Refusals, v.Rules, v.Left = named(v.Period.Refusals), named(v.Period.Rules), named(v.Period.Left)
}

// Registering are the kinds of methods to which something happened, for the template.
func (v *reportsPage) Registering() (all []report.Registering) {
	for _, r := range v.Period.Registering {
		if r.Any() {
			all = append(all, r)
		}
	}
	return all
}

// LastDay is when the last day that is shown began, for the template.
func (v *reportsPage) LastDay() time.Time { return v.Period.Days[len(v.Period.Days)-1].Day.Time() }

// sharesView is a table with bars, with the page whose words it uses.
type sharesView struct {
	Page page.Base
	Rows []share
}

// Shares is for the template: a table with bars.
func (v *reportsPage) Shares(rows []share) sharesView { return sharesView{v.Base, rows} }

// Seconds is a time in minutes and seconds, for the template.
func (v *reportsPage) Seconds(n int) string { return fmt.Sprintf("%d:%02d", n/60, n%60) }

// named finds words for codes; one that has none is shown as it is.
func named(counts map[string]int) (all []share) {
	for _, c := range report.Counted(counts) {
		s := share{Name: c.Name, N: c.N}
		if slices.Contains(audit.Reasons, c.Name) {
			s.Key = "reason." + c.Name
		}
		all = append(all, s)
	}
	return shares(all)
}

// drawHistory keeps the last figures of each step, and draws them.
func (v *reportsPage) drawHistory(from, to report.Day, history []report.Registration) {
	next := 0
	for i := range v.Steps {
		end := to + 1
		if i+1 < len(v.Steps) {
			end = v.Steps[i+1].Day
		}
		var last *report.Registration
		for ; next < len(history) && report.DayOf(history[next].At) < end; next++ {
			last = &history[next]
		}
		if last != nil {
			v.History = append(v.History, *last)
		}
	}
	var points []point
	for _, h := range v.History {
		points = append(points, point{
			At:     (float64(report.DayOf(h.At)-from) + .5) / float64(to-from+1),
			Values: []int{h.Enabled, h.Registered, h.Capable},
		})
	}
	v.Registered = drawLines([]string{"console.figure.enabled", "console.figure.registered", "console.figure.capable"}, points)
	v.Registered.First, v.Registered.Last = from.String(), to.String()
}

// getReportsCSV gives one report as a table for spreadsheets: numbers, dates and
// codes alone, so that nothing in it can be read as a formula.
func (c *Console) getReportsCSV(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &reportsPage{}
	if err := c.report(r, d, r.URL.Query().Get("from"), r.URL.Query().Get("to"), view); err != nil {
		return err
	}
	name := r.URL.Query().Get("table")
	if name == "" {
		name = "days"
	}
	i := slices.IndexFunc(view.tables, func(t report.Table) bool { return t.Name == name })
	if i < 0 {
		return problem.New(problem.BadInput).On("table")
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-`+name+`-`+view.From+`-`+view.To+`.csv"`)
	out := csv.NewWriter(w)
	_ = out.Write(view.tables[i].Header)
	_ = out.WriteAll(view.tables[i].Rows)
	return nil // the client may be gone; the header is out already
}

// getReportsJSON gives every report in one document, under the names of the CSV.
func (c *Console) getReportsJSON(w http.ResponseWriter, r *http.Request, d desk) error {
	view := &reportsPage{}
	if err := c.report(r, d, r.URL.Query().Get("from"), r.URL.Query().Get("to"), view); err != nil {
		return err
	}
	all := map[string]any{"from": view.From, "to": view.To}
	for _, t := range view.tables {
		all[t.Name] = t.Objects()
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci-reports-`+view.From+`-`+view.To+`.json"`)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(all) // the client may be gone
	return nil
}
