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
		People     int                 `json:"people"`
		Enabled    int                 `json:"enabled"`
		Registered int                 `json:"registered"`
		Capable    int                 `json:"capable"`
		ByKind     map[method.Kind]int `json:"by_kind"`
	}
}

type activityInput struct {
	orgPath
	From string `query:"from" format:"date" doc:"The first day, UTC; 30 days ago when absent"`
	To   string `query:"to" format:"date" doc:"The last day, UTC; today when absent"`
}

type activityDay struct {
	Day          string `json:"day"`
	Reset        int    `json:"reset"`
	Unlocked     int    `json:"unlocked"`
	Changed      int    `json:"changed"`
	Abandoned    int    `json:"abandoned"`
	Blocked      int    `json:"blocked"`
	Refused      int    `json:"refused"`
	Requests     int    `json:"requests"`
	SignedIn     int    `json:"signed_in"`
	SignInFailed int    `json:"signin_failed"`
}

type activityOutput struct {
	Body struct {
		Days     []activityDay       `json:"days"`
		Begun    int                 `json:"begun"`
		Refusals map[string]int      `json:"refusals" doc:"Dead ends by their code"`
		Proofs   map[method.Kind]int `json:"proofs" doc:"Gates passed by kind of method"`
		Failures map[string]int      `json:"failures" doc:"Wrong answers by kind of method"`
		Finished map[string]int      `json:"finished_in" doc:"Resets by the time they took: 1m means at most a minute"`
	}
}

func (a *API) reportOperations() {
	get(a, "/reports/registration", "report-registration", "How many people could help themselves", admin.SeeReports,
		func(ctx context.Context, _ *orgPath) (*registrationOutput, error) {
			r, err := a.d.Report.Registration(ctx, organization(ctx))
			if err != nil {
				return nil, err
			}
			out := &registrationOutput{}
			out.Body.At, out.Body.Partial, out.Body.People = r.At.UTC(), r.Partial, r.People
			out.Body.Enabled, out.Body.Registered, out.Body.Capable, out.Body.ByKind = r.Enabled, r.Registered, r.Capable, r.ByKind
			return out, nil
		})
	get(a, "/reports/activity", "report-activity", "What happened, day by day", admin.SeeReports, a.activity)
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
				d.Day.String(), d.Completed, d.Unlocked, d.Changed, d.Abandoned, d.Blocked, d.Refused, d.Requests, d.SignedIn, d.NotSigned,
			})
		}
		out.Body.Begun, out.Body.Refusals, out.Body.Proofs, out.Body.Failures = p.Begun, p.Refusals, p.Proofs, p.Failures
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
