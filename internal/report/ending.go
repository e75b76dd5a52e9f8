package report

import (
	"slices"
	"strconv"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// Ending is how a way back in ended. A person who meets a dead end and then asks an
// administrator counts as Failed (or Blocked) and as Contacted.
type Ending string

// The endings.
const (
	Succeeded Ending = "succeeded"
	Abandoned Ending = "abandoned" // its time ran out
	Blocked   Ending = "blocked"   // a limit ended it
	Cancelled Ending = "cancelled" // the person began again
	Contacted Ending = "contacted" // a request was sent to an administrator
	Failed    Ending = "failed"    // any other dead end
)

// What is counted besides the events themselves: how ways back in ended, once each
// (ended) and once for each method they used (endedBy), and how long they took.
const (
	ended      = audit.Kind("recovery.ended")
	endedBy    = audit.Kind("recovery.ended_by")
	finishedIn = audit.Kind("recovery.finished_in")
)

// What succeeded, in the place of an outcome.
const (
	byReset  = audit.Outcome("reset")
	byUnlock = audit.Outcome("unlock")
)

// deadEnds are reasons of a password that was not written which end the flow; all
// others are rules that the password broke, and the person chooses another one.
var deadEnds = map[string]bool{
	string(problem.DirectoryRefused): true, string(problem.DirectoryUnavailable): true, "gone": true, "fault": true,
}

// endingOf tells how an event ends a way back in; empty where it does not.
func endingOf(e audit.Record) (how Ending, what audit.Outcome, kinds []string) {
	kinds = []string{e.MethodKind}
	switch e.Kind {
	case audit.ResetCompleted:
		return Succeeded, byReset, strings.Fields(e.Detail["methods"])
	case audit.AccountUnlocked:
		// One that an administrator unlocked names no methods.
		if e.Outcome == audit.Success && e.Detail["methods"] != "" {
			return Succeeded, byUnlock, strings.Fields(e.Detail["methods"])
		}
	case audit.ResetAbandoned:
		if e.Outcome == audit.Denied {
			return Cancelled, "", kinds
		}
		return Abandoned, "", kinds
	case audit.ResetRefused:
		switch {
		case e.Outcome == audit.Denied && e.Reason == string(problem.Blocked):
			return Blocked, "", kinds
		case e.Outcome == audit.Denied, e.Reason == string(problem.DirectoryRefused), e.Reason == "gone":
			return Failed, "", kinds
		}
	case audit.RequestOpened:
		if e.Reason != "dispute" {
			return Contacted, "", kinds
		}
	}
	return "", "", nil
}

// derived is what else an event counts as.
func derived(e audit.Record) []key {
	how, what, kinds := endingOf(e)
	if how == "" {
		return nil
	}
	k := key{org: e.Org, day: DayOf(e.Time), kind: ended, outcome: what, reason: string(how)}
	all := []key{k}
	for _, kind := range kinds {
		k.kind, k.methodKind = endedBy, kind
		all = append(all, k)
	}
	if seconds, err := strconv.Atoi(e.Detail["seconds"]); err == nil && how == Succeeded {
		k.kind, k.methodKind, k.reason = finishedIn, "", strconv.Itoa(atMost(seconds))
		all = append(all, k)
	}
	return all
}

// Endings counts how ways back in ended.
type Endings struct {
	Completed int // passwords that were reset, first ones included
	Unlocked  int // accounts that people unlocked without a new password
	Abandoned int // begun and left to run out
	Blocked   int // ended by a limit
	Cancelled int // given up by beginning again
	Contacted int // "contact your administrator"
	Failed    int // ended at any other dead end
}

func (e *Endings) add(k key, n int) {
	switch Ending(k.reason) {
	case Succeeded:
		if k.outcome == byUnlock {
			e.Unlocked += n
		} else {
			e.Completed += n
		}
	case Abandoned:
		e.Abandoned += n
	case Blocked:
		e.Blocked += n
	case Cancelled:
		e.Cancelled += n
	case Contacted:
		e.Contacted += n
	case Failed:
		e.Failed += n
	}
}

// Way is how ways back in ended that stood at one kind of method.
type Way struct {
	Kind string
	Endings
}

// inOrder lists them in the order of kinds, "" at the end.
func inOrder(ways map[string]*Way) (all []Way) {
	for _, k := range method.Kinds() {
		if w := ways[string(k)]; w != nil {
			all = append(all, *w)
		}
	}
	if w := ways[""]; w != nil {
		all = append(all, *w)
	}
	return all
}

// atMost is the upper end of the step that a time falls into: 5 seconds wide up to
// a minute, 10 up to three, then 30. A flow lives 900 seconds.
func atMost(seconds int) int {
	width := 30
	switch {
	case seconds <= 60:
		width = 5
	case seconds <= 180:
		width = 10
	}
	return min((max(seconds, 1)+width-1)/width*width, 900)
}

func secondsOf(step string) int {
	n, err := strconv.Atoi(step)
	if err != nil {
		return 0
	}
	return n
}

// Span is how many resets and unlocks took at most so long.
type Span struct {
	Name  string // "1m", "2m", "5m", "10m", "15m"
	Count int
}

var spans = []struct {
	seconds int
	name    string
}{{60, "1m"}, {120, "2m"}, {300, "5m"}, {600, "10m"}, {900, "15m"}}

func spansOf(times map[int]int) []Span {
	all := make([]Span, len(spans))
	for i, s := range spans {
		all[i].Name = s.name
	}
	for seconds, n := range times {
		i := slices.IndexFunc(spans, func(s struct {
			seconds int
			name    string
		}) bool {
			return seconds <= s.seconds
		})
		if i >= 0 {
			all[i].Count += n
		}
	}
	return all
}

// Times are the seconds within which a half, nine in ten, and 95 in 100 of those
// who got back in did so, to the steps of atMost; zero where there is none.
type Times struct {
	Count         int
	P50, P90, P95 int
}

func timesOf(times map[int]int) (t Times) {
	var steps []int
	for seconds, n := range times {
		steps = append(steps, seconds)
		t.Count += n
	}
	slices.Sort(steps)
	seen := 0
	for _, seconds := range steps {
		seen += times[seconds]
		for _, p := range []struct {
			into  *int
			share int
		}{{&t.P50, 50}, {&t.P90, 90}, {&t.P95, 95}} {
			if *p.into == 0 && seen*100 >= t.Count*p.share {
				*p.into = seconds
			}
		}
	}
	return t
}
