package report

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Step is how wide a point of a chart is.
type Step string

// The steps: a chart has about a hundred points at most.
const (
	ByDay   Step = "day"
	ByWeek  Step = "week"
	ByMonth Step = "month"
)

// StepOf is the step for a span of so many days.
func StepOf(days int) Step {
	switch {
	case days <= 100:
		return ByDay
	case days <= 700:
		return ByWeek
	}
	return ByMonth
}

// Group adds days up by step, the day of each being its first one in the span.
func Group(all []Activity, step Step) []Activity {
	if step == ByDay {
		return all
	}
	var grouped []Activity
	for i, a := range all {
		at := a.Day.Time()
		if i == 0 || step == ByWeek && at.Weekday() == time.Monday || step == ByMonth && at.Day() == 1 {
			grouped = append(grouped, Activity{Day: a.Day})
		}
		grouped[len(grouped)-1].plus(a)
	}
	return grouped
}

func (a *Activity) plus(b Activity) {
	a.Completed += b.Completed
	a.Unlocked += b.Unlocked
	a.Changed += b.Changed
	a.Abandoned += b.Abandoned
	a.Blocked += b.Blocked
	a.Cancelled += b.Cancelled
	a.Contacted += b.Contacted
	a.Failed += b.Failed
	a.Requests += b.Requests
	a.SignedIn += b.SignedIn
	a.NotSigned += b.NotSigned
	a.Locked += b.Locked
	a.Asked.Completed += b.Asked.Completed
	a.Asked.Skipped += b.Asked.Skipped
	a.Asked.Reconfirmed += b.Asked.Reconfirmed
	a.Registered += b.Registered
	a.Deleted += b.Deleted
}

// Count is how often something was.
type Count struct {
	Name string
	N    int
}

// Counted lists counts, the highest first.
func Counted(counts map[string]int) []Count {
	all := make([]Count, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, Count{name, counts[name]})
	}
	slices.SortStableFunc(all, func(a, b Count) int { return cmp.Compare(b.N, a.N) })
	return all
}
