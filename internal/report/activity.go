package report

import (
	"context"
	"fmt"
	"strconv"
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
			if err := addDaily(ctx, tx, key, times); err != nil {
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

// Spans a finished reset falls into, by its seconds. A finished reset counts as
// an event of its own kind besides, under the reason of its span.
const finishedIn = audit.Kind("reset.finished_in")

var spans = []struct {
	seconds int
	name    string
}{{60, "1m"}, {120, "2m"}, {300, "5m"}, {600, "10m"}}

func span(seconds int) string {
	for _, s := range spans {
		if seconds <= s.seconds {
			return s.name
		}
	}
	return "15m"
}

func tally(events []audit.Record) map[key]int64 {
	counts := make(map[key]int64)
	for _, e := range events {
		if e.Org == "" {
			continue
		}
		k := key{e.Org, DayOf(e.Time), e.Kind, e.Outcome, e.Reason, e.MethodKind}
		counts[k]++
		if e.Kind != audit.ResetCompleted {
			continue
		}
		if seconds, err := strconv.Atoi(e.Detail["seconds"]); err == nil {
			k.kind, k.reason = finishedIn, span(seconds)
			counts[k]++
		}
	}
	return counts
}

// Activity is what happened on one day.
type Activity struct {
	Day       Day
	Completed int // passwords that were reset, first ones included
	Unlocked  int // accounts that were unlocked without a new password
	Changed   int // passwords that were changed with the old one
	Abandoned int // begun and left, or replaced by another one
	Blocked   int // by a limit
	Refused   int // a dead end was shown
	Requests  int // "contact your administrator" and "this wasn't me"
	SignedIn  int
	NotSigned int // wrong passwords and codes at sign-in
}

// Period is what happened in a span of days.
type Period struct {
	Days []Activity // every day of the span, the first one first
	// Refusals are dead ends by their code, Proofs gates passed by kind of
	// method, Failures wrong answers by kind, Finished resets by the time they took.
	Refusals, Failures map[string]int
	Proofs             map[method.Kind]int
	Finished           []Span
	// Begun is how many resets were started, dead ends not counted.
	Begun int
}

// Span is how many resets took at most so long.
type Span struct {
	Name  string // "1m", "2m", "5m", "10m", "15m"
	Count int
}

// longestPeriod bounds what is read at once; ten years.
const longestPeriod = 3660

// usual is how many days a report shows when nobody says which.
const usual = 30

// Days reads the first and the last day of a report, written like 2026-11-25;
// empty ones are thirty days up to now. Problem BadInput.
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
		return 0, 0, problem.New(problem.BadInput).On("from")
	}
	return first, last, nil
}

func parseDay(text, field string) (Day, error) {
	at, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return 0, problem.New(problem.BadInput).On(field)
	}
	return DayOf(at), nil
}

// Activity tells what happened in an organization from one day up to and with
// another.
func (s *Service) Activity(ctx context.Context, tx *store.Tx, orgID string, from, to Day) (Period, error) {
	p := Period{Refusals: map[string]int{}, Failures: map[string]int{}, Proofs: map[method.Kind]int{}}
	if from > to || to-from >= longestPeriod {
		return p, fmt.Errorf("report: a span of %d days", to-from+1)
	}
	p.Days = make([]Activity, to-from+1)
	for i := range p.Days {
		p.Days[i].Day = from + Day(i)
	}
	finished := make(map[string]int)
	err := eachDaily(ctx, tx, orgID, from, to, func(k key, n int) {
		if k.kind == finishedIn {
			finished[k.reason] += n
			return
		}
		p.add(k, n)
		p.Days[k.day-from].add(k, n)
	})
	if err != nil {
		return p, fmt.Errorf("report activity: %w", err)
	}
	for _, sp := range spans {
		p.Finished = append(p.Finished, Span{sp.name, finished[sp.name]})
	}
	p.Finished = append(p.Finished, Span{"15m", finished["15m"]})
	return p, nil
}

func (p *Period) add(k key, n int) {
	switch k.kind {
	case audit.ResetStarted:
		p.Begun += n
	case audit.ResetRefused:
		p.Refusals[k.reason] += n
	case audit.ResetGatePassed:
		p.Proofs[method.Kind(k.methodKind)] += n
	case audit.ResetGateFailed:
		p.Failures[k.methodKind] += n
	}
}

func (a *Activity) add(k key, n int) {
	switch k.kind {
	case audit.ResetCompleted:
		a.Completed += n
	case audit.AccountUnlocked:
		if k.outcome == audit.Success {
			a.Unlocked += n
		}
	case audit.PasswordChanged:
		if k.outcome == audit.Success {
			a.Changed += n
		}
	case audit.ResetAbandoned:
		a.Abandoned += n
	case audit.ResetBlocked:
		if k.reason != "frozen" { // by somebody, not by a limit
			a.Blocked += n
		}
	case audit.ResetRefused:
		a.Refused += n
	case audit.RequestOpened:
		a.Requests += n
	case audit.SignInSucceeded:
		a.SignedIn += n
	case audit.SignInFailed:
		a.NotSigned += n
	}
}
