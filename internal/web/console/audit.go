package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/web/page"
)

type auditPage struct {
	page.Base
	Kind      audit.Kind
	Kinds     []audit.Kind
	Outcome   audit.Outcome
	Outcomes  []audit.Outcome
	Code      string // the support code that is looked for
	From, To  string
	Person    string // whose events; empty: everybody's
	As        string // what happened to them, or what they did
	Size      string // of an older checkpoint, as it was typed
	Events    []audit.Record
	Next      string
	MayExport bool
}

const pageOfEvents = 50

func (c *Console) getAudit(w http.ResponseWriter, r *http.Request, d desk) error {
	return c.audit(w, r, d, r.URL.Query().Get)
}

// postAudit is a POST because whoever is looked for stands in no address.
func (c *Console) postAudit(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	return c.audit(w, r, d, func(name string) string { return form[name] })
}

func (c *Console) audit(w http.ResponseWriter, r *http.Request, d desk, get func(string) string) error {
	q, err := auditQuery(get, d)
	q.Before, q.Limit = get("before"), pageOfEvents
	view := &auditPage{
		Base: d.base(r, "audit", "audit"), Kind: q.Kind, Kinds: audit.Kinds,
		Outcome: q.Outcome, Outcomes: audit.Outcomes, Code: q.Correlation,
		From: get("from"), To: get("to"), Size: get("size"), MayExport: d.as.May(admin.ExportAudit), As: asTarget,
	}
	if get("as") == asAdministrator {
		view.As = asAdministrator
	}
	if r.Method == http.MethodPost {
		view.Person = strings.TrimSpace(get("user_id"))
	}
	if refusal, ok := problem.As(err); ok && refusal.Code == problem.DaysWrong {
		return c.refuse(w, r, "console_audit", view, &view.Base, refusal)
	}
	if err != nil {
		return err
	}
	err = c.pick(r, d, &q, view.Person, view.As)
	if problem.Has(err, problem.NotFound) {
		return c.Pages.Write(w, r, http.StatusOK, "console_audit", view)
	}
	if err != nil {
		return err
	}
	err = c.DB.Read(r.Context(), func(tx *store.Tx) (err error) {
		view.Events, err = c.Audit.List(r.Context(), tx, q)
		return err
	})
	if err != nil {
		return err
	}
	if len(view.Events) == pageOfEvents {
		view.Next = view.Events[pageOfEvents-1].ID
	}
	return c.Pages.Write(w, r, http.StatusOK, "console_audit", view)
}

// How a person is looked for in the log.
const (
	asTarget        = "target"
	asAdministrator = "administrator"
)

// pick narrows a query down to what happened to one person, or what they did as an
// administrator; an empty user ID to nobody in particular.
func (c *Console) pick(r *http.Request, d desk, q *audit.Query, userID, as string) error {
	if userID == "" {
		return nil
	}
	a, err := c.Accounts.Find(r.Context(), d.Org, userID)
	if as == asAdministrator {
		q.By = a.ID
	} else {
		q.Target = a.ID
	}
	return err
}

// getContinues gives what shows that the log continues an older checkpoint.
func (c *Console) getContinues(w http.ResponseWriter, r *http.Request, d desk) error {
	size, err := strconv.ParseInt(strings.TrimSpace(r.URL.Query().Get("size")), 10, 64)
	if err != nil {
		size = -1 // a number there cannot be so many of
	}
	proof, err := c.Audit.Continues(r.Context(), size)
	if problem.Has(err, problem.LogShorter) {
		view := &auditPage{
			Base: d.base(r, "audit", "audit"), Kinds: audit.Kinds, Outcomes: audit.Outcomes, As: asTarget,
			Size: r.URL.Query().Get("size"), MayExport: d.as.May(admin.ExportAudit),
		}
		return c.refuse(w, r, "console_audit", view, &view.Base, problem.New(problem.LogShorter).On("size"))
	}
	if err != nil {
		return err
	}
	public, err := c.Audit.PublicKey()
	if err != nil {
		return err
	}
	writeProof(w, "kunci-consistency.json", struct {
		audit.Consistency
		PublicKey string `json:"public_key"`
	}{proof, public})
	return nil
}

// writeProof answers with a file for a program elsewhere.
func writeProof(w http.ResponseWriter, name string, proof any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(proof) // the client may be gone
}

// getProof gives what shows, without this program, that an event is in the log.
func (c *Console) getProof(w http.ResponseWriter, r *http.Request, d desk) error {
	proof, err := c.Audit.ProveFor(r.Context(), d.Org.ID, r.PathValue("id"))
	if errors.Is(err, store.ErrNoRows) {
		return problem.New(problem.NotFound)
	}
	if err != nil {
		return err
	}
	public, err := c.Audit.PublicKey()
	if err != nil {
		return err
	}
	writeProof(w, "kunci-proof.json", struct {
		audit.Proof
		PublicKey string `json:"public_key"`
	}{proof, public})
	return nil
}

// auditQuery reads the filter. Days are whole ones of the organization's time zone,
// as the page shows times, the last one included.
func auditQuery(get func(string) string, d desk) (audit.Query, error) {
	q := audit.Query{Org: d.Org.ID, Kind: audit.Kind(get("kind")), Outcome: audit.Outcome(get("outcome")), Correlation: strings.TrimSpace(get("code"))}
	if q.Outcome != "" && !slices.Contains(audit.Outcomes, q.Outcome) {
		return q, problem.New(problem.BadInput).On("outcome")
	}
	if q.Kind != "" && !slices.Contains(audit.Kinds, q.Kind) {
		return q, problem.New(problem.BadInput).On("kind")
	}
	zone, _ := i18n.Zone(d.Org.TimeZone)
	for _, day := range []struct {
		name string
		into *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		text := get(day.name)
		if text == "" {
			continue
		}
		at, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err != nil {
			return q, problem.New(problem.DaysWrong).On(day.name)
		}
		*day.into = at
	}
	if !q.To.IsZero() {
		if q.To.Before(q.From) {
			return q, problem.New(problem.DaysWrong).On("from")
		}
		q.To = q.To.AddDate(0, 0, 1)
	}
	return q, nil
}

// postExport is a POST: it records that somebody exported.
func (c *Console) postExport(w http.ResponseWriter, r *http.Request, d desk) error {
	form, err := page.ReadForm(r)
	if err != nil {
		return err
	}
	q, err := auditQuery(func(name string) string { return form[name] }, d)
	if err != nil {
		return err
	}
	if err := c.pick(r, d, &q, strings.TrimSpace(form["user_id"]), form["as"]); err != nil {
		return err
	}
	q.WithoutPeople = form["people"] == ""
	kind, name := "application/x-ndjson", "kunci-audit.ndjson"
	if form["format"] == string(audit.CSV) {
		q.Format, kind, name = audit.CSV, "text/csv; charset=utf-8", "kunci-audit.csv"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	_, err = c.Audit.Export(r.Context(), w, d.as.By, q)
	return err
}

// getCheckpoint gives the newest signed head of the log, to be kept elsewhere.
func (c *Console) getCheckpoint(w http.ResponseWriter, r *http.Request, _ desk) error {
	text, err := c.Audit.Checkpoint(r.Context())
	if err != nil {
		return err
	}
	if text == "" {
		return problem.New(problem.NotFound)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="kunci.checkpoint"`)
	_, _ = io.WriteString(w, text) // the client may be gone
	return nil
}
