package report

import (
	"context"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// count counts one batch of the log and tells how many events were in it.
func (s *Service) count(ctx context.Context) (n int, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "report"); err != nil {
			return err
		}
		from, err := selectCursor(ctx, tx)
		if err != nil {
			return err
		}
		events, err := s.d.Audit.From(ctx, tx, from)
		if err != nil {
			return err
		}
		n = len(events)
		if n == 0 {
			return nil
		}
		for key, times := range tally(events) {
			if err := add(ctx, tx, key, times); err != nil {
				return err
			}
		}
		return upsertCursor(ctx, tx, events[n-1].Leaf+1)
	})
	if err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return n, nil
}

// key is what is counted apart.
type key struct {
	org        string
	day        Day
	kind       audit.Kind
	outcome    audit.Outcome
	reason     string
	methodKind string
}

func tally(events []audit.Record) map[key]int64 {
	counts := make(map[key]int64)
	for _, e := range events {
		if e.Org == "" {
			continue
		}
		counts[key{e.Org, DayOf(e.Time), e.Kind, e.Outcome, e.Reason, e.MethodKind}]++
		for _, k := range derived(e) {
			counts[k]++
		}
	}
	return counts
}

// Activity is what happened on one day.
type Activity struct {
	Day Day
	Endings
	Changed    int // passwords that were changed with the old one
	Requests   int // "contact your administrator" and "this wasn't me"
	SignedIn   int
	NotSigned  int // wrong passwords and codes at sign-in
	Locked     int // locks of smart lockout, of addresses and of second factors
	Asked      Asked
	Registered int // methods that people added themselves
	Deleted    int // methods, by anybody
}

// Period is what happened in a span of days.
type Period struct {
	Days  []Activity // every day of the span, the first one first
	Total Activity
	// Refusals are dead ends by their code, Rules passwords refused by the rule
	// they broke, Left flows that ran out by the step they stood at.
	Refusals, Rules, Left map[string]int
	// Proofs are gates passed by kind of method, Failures wrong answers by kind.
	Proofs   map[method.Kind]int
	Failures map[string]int
	// Ways are how ways back in ended, by the kind of method they stood at; one
	// that needed two methods counts at both. Kind "" is before the first.
	Ways     []Way
	Finished []Span
	Times    Times
	// Begun is how many resets were started, dead ends not counted.
	Begun int
	// Registering is what became of methods, of every kind in the order of kinds.
	Registering []Registering
}

// longestPeriod bounds what is read at once; ten years.
const longestPeriod = 3660

// usual is how many days a report shows when nobody says which.
const usual = 30

// Days reads the first and the last day of a report, written like 2026-11-25;
// empty ones are thirty days up to now. Problem DaysWrong.
func Days(from, to string, now time.Time) (first, last Day, err error) {
	last = DayOf(now)
	if to != "" {
		if last, err = parseDay(to, "to"); err != nil {
			return 0, 0, err
		}
	}
	first = last - usual + 1
	if from != "" {
		if first, err = parseDay(from, "from"); err != nil {
			return 0, 0, err
		}
	}
	if first > last || last-first >= longestPeriod {
		return 0, 0, problem.New(problem.DaysWrong).On("from")
	}
	return first, last, nil
}

func parseDay(text, field string) (Day, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, problem.New(problem.DaysWrong).On(field)
	}
	return DayOf(at), nil
}

// Activity tells what happened in an organization from one day up to and with
// another.
func (s *Service) Activity(ctx context.Context, tx *store.Tx, orgID string, from, to Day) (Period, error) {
	p := Period{
		Refusals: map[string]int{}, Rules: map[string]int{}, Left: map[string]int{}, Failures: map[string]int{}, Proofs: map[method.Kind]int{},
	}
	if from > to || to-from >= longestPeriod {
		return p, fmt.Errorf("report: a span of %d days", to-from+1)
	}
	p.Days = make([]Activity, to-from+1)
	for i := range p.Days {
		p.Days[i].Day = from + Day(i)
	}
	err := eachDaily(ctx, tx, orgID, from, to, func(k key, n int) {
		p.Days[k.day-from].add(k, n)
		p.Total.add(k, n)
	})
	ways, times := make(map[string]*Way), make(map[int]int)
	at := make(map[string]int)
	for i, k := range method.Kinds() {
		p.Registering = append(p.Registering, Registering{Kind: k})
		at[string(k)] = i
	}
	if err == nil {
		err = eachSum(ctx, tx, orgID, from, to, func(k key, n int) {
			p.add(k, n)
			switch k.kind {
			case endedBy:
				w := ways[k.methodKind]
				if w == nil {
					w = &Way{Kind: k.methodKind}
					ways[k.methodKind] = w
				}
				w.add(k, n)
			case finishedIn:
				times[secondsOf(k.reason)] += n
			case audit.MethodAdded, audit.MethodChanged, audit.MethodDeleted:
				if i, known := at[k.methodKind]; known {
					p.Registering[i].add(k, n)
				}
			}
		})
	}
	if err != nil {
		return p, fmt.Errorf("report activity: %w", err)
	}
	p.Ways, p.Finished, p.Times = inOrder(ways), spansOf(times), timesOf(times)
	return p, nil
}

func (p *Period) add(k key, n int) {
	switch k.kind {
	case audit.ResetStarted:
		p.Begun += n
	case audit.ResetRefused:
		if k.outcome == audit.Denied || deadEnds[k.reason] {
			p.Refusals[k.reason] += n
		} else {
			p.Rules[k.reason] += n
		}
	case audit.ResetAbandoned:
		if k.outcome == audit.Failure {
			p.Left[k.reason] += n
		}
	case audit.ResetGatePassed:
		p.Proofs[method.Kind(k.methodKind)] += n
	case audit.ResetGateFailed:
		p.Failures[k.methodKind] += n
	}
}

func (a *Activity) add(k key, n int) {
	switch k.kind {
	case ended:
		a.Endings.add(k, n)
	case audit.PasswordChanged:
		if k.outcome == audit.Success {
			a.Changed += n
		}
	case audit.RequestOpened:
		a.Requests += n
	case audit.SignInSucceeded:
		a.SignedIn += n
	case audit.SignInFailed:
		a.NotSigned += n
	case audit.SignInLocked:
		a.Locked += n
	case audit.MethodAdded, audit.MethodDeleted:
		var r Registering
		r.add(k, n)
		a.Registered += r.Added
		a.Deleted += r.Deleted
	default:
		a.Asked.add(k, n)
	}
}

// Saved is how many calls to a helpdesk people did not have to make: each reset and
// each unlock they did themselves is one. What administrators unlocked is not in it.
func (a Activity) Saved() int { return a.Completed + a.Unlocked }
