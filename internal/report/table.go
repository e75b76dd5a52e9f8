package report

import (
	"strconv"
	"time"

	"kunci.dev/kunci/internal/method"
)

// Table is one report as rows of codes and numbers, for programs and spreadsheets.
// Codes are ours and begin with a letter or a digit, so that no cell is a formula;
// words are for pages.
type Table struct {
	Name   string
	Header []string
	Rows   [][]string
}

// TableNames are the reports there are, in the order of the page.
var TableNames = []string{"days", "registration", "methods", "registering", "endings", "reasons", "times"}

// Tables gives every report of a span, in the order of TableNames.
func Tables(p Period, history []Registration, now Registration) []Table {
	return []Table{days(p), registration(history), methods(p, now), registering(p), endings(p), reasons(p), times(p)}
}

func row(first string, numbers ...int) []string {
	r := []string{first}
	for _, n := range numbers {
		r = append(r, strconv.Itoa(n))
	}
	return r
}

func days(p Period) Table {
	t := Table{Name: "days", Header: []string{"day", "reset", "unlocked", "changed", "abandoned", "blocked", "cancelled", "contacted", "failed",
		"requests", "signed_in", "signin_failed", "calls_saved", "signin_locked", "methods_added", "methods_deleted", "registered", "skipped", "reconfirmed"}}
	for _, a := range p.Days {
		t.Rows = append(t.Rows, row(a.Day.String(), a.Completed, a.Unlocked, a.Changed, a.Abandoned, a.Blocked, a.Cancelled, a.Contacted, a.Failed,
			a.Requests, a.SignedIn, a.NotSigned, a.Saved(), a.Locked, a.Registered, a.Deleted, a.Asked.Completed, a.Asked.Skipped, a.Asked.Reconfirmed))
	}
	return t
}

func registration(history []Registration) Table {
	t := Table{Name: "registration", Header: []string{"day", "people", "enabled", "registered", "capable"}}
	for _, k := range method.Kinds() {
		t.Header = append(t.Header, string(k))
	}
	for _, h := range history {
		r := row(h.At.UTC().Format(time.DateOnly), h.People, h.Enabled, h.Registered, h.Capable)
		for _, k := range method.Kinds() {
			r = append(r, strconv.Itoa(h.ByKind[k]))
		}
		t.Rows = append(t.Rows, r)
	}
	return t
}

func methods(p Period, now Registration) Table {
	t := Table{Name: "methods", Header: []string{"method", "people", "proved", "wrong_answers"}}
	for _, k := range method.Kinds() {
		t.Rows = append(t.Rows, row(string(k), now.ByKind[k], p.Proofs[k], p.Failures[string(k)]))
	}
	return t
}

func registering(p Period) Table {
	t := Table{Name: "registering", Header: []string{"method", "added", "entered", "confirmed", "replaced", "deleted", "restored"}}
	for _, r := range p.Registering {
		t.Rows = append(t.Rows, row(string(r.Kind), r.Added, r.Entered, r.Confirmed, r.Replaced, r.Deleted, r.Restored))
	}
	return t
}

func endings(p Period) Table {
	t := Table{Name: "endings", Header: []string{"method", "reset", "unlocked", "abandoned", "blocked", "cancelled", "contacted", "failed"}}
	for _, w := range p.Ways {
		kind := w.Kind
		if kind == "" {
			kind = "none"
		}
		t.Rows = append(t.Rows, row(kind, w.Completed, w.Unlocked, w.Abandoned, w.Blocked, w.Cancelled, w.Contacted, w.Failed))
	}
	return t
}

func reasons(p Period) Table {
	t := Table{Name: "reasons", Header: []string{"what", "reason", "count"}}
	for _, of := range []struct {
		what   string
		counts map[string]int
	}{{"dead_end", p.Refusals}, {"password_refused", p.Rules}, {"left_at", p.Left}} {
		for _, c := range Counted(of.counts) {
			t.Rows = append(t.Rows, []string{of.what, c.Name, strconv.Itoa(c.N)})
		}
	}
	return t
}

func times(p Period) Table {
	t := Table{Name: "times", Header: []string{"within", "count"}}
	for _, s := range p.Finished {
		t.Rows = append(t.Rows, row(s.Name, s.Count))
	}
	for _, s := range []struct {
		name    string
		seconds int
	}{{"p50_seconds", p.Times.P50}, {"p90_seconds", p.Times.P90}, {"p95_seconds", p.Times.P95}} {
		t.Rows = append(t.Rows, row(s.name, s.seconds))
	}
	return t
}

// Objects gives the rows by the names of their columns, numbers as numbers.
func (t Table) Objects() []map[string]any {
	all := make([]map[string]any, 0, len(t.Rows))
	for _, r := range t.Rows {
		object := make(map[string]any, len(r))
		for i, cell := range r {
			if n, err := strconv.Atoi(cell); err == nil {
				object[t.Header[i]] = n
			} else {
				object[t.Header[i]] = cell
			}
		}
		all = append(all, object)
	}
	return all
}
