package api

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
)

type registrationOutput struct {
	Body struct {
		At         time.Time           `json:"at"`
		Partial    bool                `json:"partial" doc:"The directory cannot be listed: only people whom Kunci has met are counted"`
		Counting   bool                `json:"counting" doc:"A large organization whose people have not been looked at yet: nothing but people is counted"`
		People     int                 `json:"people"`
		Enabled    int                 `json:"enabled"`
		Registered int                 `json:"registered"`
		Capable    int                 `json:"capable"`
		ByKind     map[method.Kind]int `json:"by_kind"`
	}
}

type activityInput struct {
	OrgPath
	From string `query:"from" format:"date" doc:"The first day, UTC; 30 days ago when absent"`
	To   string `query:"to" format:"date" doc:"The last day, UTC; today when absent"`
}

type activityDay struct {
	Day          string `json:"day"`
	Reset        int    `json:"reset"`
	Unlocked     int    `json:"unlocked"`
	Changed      int    `json:"changed"`
	Abandoned    int    `json:"abandoned" doc:"Left to run out"`
	Blocked      int    `json:"blocked" doc:"Ended by a limit"`
	Cancelled    int    `json:"cancelled" doc:"Given up, most by beginning again"`
	Contacted    int    `json:"contacted" doc:"Wrote to an administrator; counted at the dead end as well"`
	Failed       int    `json:"failed" doc:"Ended at any other dead end"`
	Requests     int    `json:"requests"`
	SignedIn     int    `json:"signed_in"`
	SignInFailed int    `json:"signin_failed"`
	CallsSaved   int    `json:"calls_saved" doc:"Resets and unlocks that people did themselves"`
	SignInLocked int    `json:"signin_locked" doc:"Locks of accounts, addresses and second factors"`
	Added        int    `json:"methods_added" doc:"Methods that people registered themselves"`
	Deleted      int    `json:"methods_deleted" doc:"By anybody"`
	Registered   int    `json:"registered" doc:"People who became able to reset"`
	Skipped      int    `json:"skipped" doc:"Times that registering was put off"`
	Reconfirmed  int    `json:"reconfirmed" doc:"Times that somebody said their methods are still right"`
}

type activityMethod struct {
	Method    method.Kind `json:"method"`
	Added     int         `json:"added" doc:"By the people themselves"`
	Entered   int         `json:"entered" doc:"By administrators and account files"`
	Confirmed int         `json:"confirmed" doc:"Entered ones that their person proved"`
	Replaced  int         `json:"replaced"`
	Deleted   int         `json:"deleted"`
	Restored  int         `json:"restored"`
}

type activityEnding struct {
	Method    method.Kind `json:"method" doc:"Empty: before any method"`
	Reset     int         `json:"reset"`
	Unlocked  int         `json:"unlocked"`
	Abandoned int         `json:"abandoned"`
	Blocked   int         `json:"blocked"`
	Cancelled int         `json:"cancelled"`
	Contacted int         `json:"contacted"`
	Failed    int         `json:"failed"`
}

type activityTimes struct {
	Count int `json:"count"`
	P50   int `json:"p50"`
	P90   int `json:"p90"`
	P95   int `json:"p95"`
}

type historyOutput struct {
	Body struct {
		Days []historyDay `json:"days" doc:"The days of which there are figures"`
	}
}

type historyDay struct {
	Day        string              `json:"day"`
	Partial    bool                `json:"partial"`
	People     int                 `json:"people"`
	Enabled    int                 `json:"enabled"`
	Registered int                 `json:"registered"`
	Capable    int                 `json:"capable"`
	ByKind     map[method.Kind]int `json:"by_kind"`
}

type activityOutput struct {
	Body struct {
		Days     []activityDay       `json:"days"`
		Begun    int                 `json:"begun"`
		Refusals map[string]int      `json:"refusals" doc:"Dead ends by their code"`
		Rules    map[string]int      `json:"passwords_refused" doc:"New passwords refused, by the rule they broke"`
		Left     map[string]int      `json:"left_at" doc:"Flows that ran out, by the step they stood at"`
		Methods  []activityMethod    `json:"methods" doc:"What became of methods, by kind"`
		Endings  []activityEnding    `json:"endings" doc:"How resets and unlocks ended, by the method they stood at; one that needed two counts at both"`
		Within   activityTimes       `json:"finished_within_seconds"`
		Proofs   map[method.Kind]int `json:"proofs" doc:"Gates passed by kind of method"`
		Failures map[string]int      `json:"failures" doc:"Wrong answers by kind of method"`
		Finished map[string]int      `json:"finished_in" doc:"Resets by the time they took: 1m means at most a minute"`
	}
}

func (a *API) reportOperations() {
	get(a, "/reports/registration", "report-registration", "How many people could help themselves", admin.SeeReports,
		func(ctx context.Context, _ *OrgPath) (*registrationOutput, error) {
			r, err := a.d.Report.Registration(ctx, organization(ctx))
			if err != nil {
				return nil, err
			}
			out := &registrationOutput{}
			out.Body.At, out.Body.Partial, out.Body.Counting, out.Body.People = r.At.UTC(), r.Partial, r.Counting, r.People
			out.Body.Enabled, out.Body.Registered, out.Body.Capable, out.Body.ByKind = r.Enabled, r.Registered, r.Capable, r.ByKind
			return out, nil
		})
	get(a, "/reports/registration/history", "report-registration-history", "How many people could help themselves, day by day", admin.SeeReports, a.history)
	get(a, "/reports/activity", "report-activity", "What happened, day by day", admin.SeeReports, a.activity)
}

func (a *API) history(ctx context.Context, in *activityInput) (*historyOutput, error) {
	out := &historyOutput{}
	out.Body.Days = []historyDay{}
	err := a.d.DB.Read(ctx, func(tx *store.Tx) error {
		from, to, err := report.Days(in.From, in.To, tx.Now())
		if err != nil {
			return err
		}
		all, err := a.d.Report.History(ctx, tx, organization(ctx).ID, from, to)
		for _, h := range all {
			out.Body.Days = append(out.Body.Days, historyDay{
				report.DayOf(h.At).String(), h.Partial, h.People, h.Enabled, h.Registered, h.Capable, h.ByKind,
			})
		}
		return err
	})
	return out, err
}

func (a *API) activity(ctx context.Context, in *activityInput) (*activityOutput, error) {
	out := &activityOutput{}
	err := a.d.DB.Read(ctx, func(tx *store.Tx) error {
		from, to, err := report.Days(in.From, in.To, tx.Now())
		if err != nil {
			return err
		}
		p, err := a.d.Report.Activity(ctx, tx, organization(ctx).ID, from, to)
		if err != nil {
			return err
		}
		for _, d := range p.Days {
			out.Body.Days = append(out.Body.Days, activityDay{
				d.Day.String(), d.Completed, d.Unlocked, d.Changed, d.Abandoned, d.Blocked, d.Cancelled, d.Contacted, d.Failed, d.Requests,
				d.SignedIn, d.NotSigned, d.Saved(), d.Locked, d.Registered, d.Deleted, d.Asked.Completed, d.Asked.Skipped, d.Asked.Reconfirmed,
			})
		}
		out.Body.Begun, out.Body.Refusals, out.Body.Proofs, out.Body.Failures = p.Begun, p.Refusals, p.Proofs, p.Failures
		out.Body.Rules, out.Body.Left = p.Rules, p.Left
		out.Body.Methods = make([]activityMethod, 0, len(p.Registering))
		for _, r := range p.Registering {
			out.Body.Methods = append(out.Body.Methods, activityMethod{r.Kind, r.Added, r.Entered, r.Confirmed, r.Replaced, r.Deleted, r.Restored})
		}
		out.Body.Endings = []activityEnding{}
		for _, w := range p.Ways {
			out.Body.Endings = append(out.Body.Endings, activityEnding{
				method.Kind(w.Kind), w.Completed, w.Unlocked, w.Abandoned, w.Blocked, w.Cancelled, w.Contacted, w.Failed,
			})
		}
		out.Body.Within = activityTimes(p.Times)
		out.Body.Finished = make(map[string]int, len(p.Finished))
		for _, s := range p.Finished {
			out.Body.Finished[s.Name] = s.Count
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
