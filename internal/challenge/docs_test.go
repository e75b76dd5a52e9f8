package challenge

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// What the pages of kinds say of the limits of this room is what they are.
func TestThePagesOfKindsSayTheLimits(t *testing.T) {
	words := []string{"no", "one", "two", "three"}
	hours := func(d time.Duration) int { return int(d / time.Hour) }
	minutes := func(d time.Duration) int { return int(d / time.Minute) }
	if breakerPause != time.Hour || pushPause != time.Minute {
		t.Error("a time is another one; the pages say it in words")
	}
	for name, sentences := range map[string][]string{
		"phone": {
			fmt.Sprintf("| messages to one number, over all accounts and organizations | %d a day |", numberPerDay),
			fmt.Sprintf("| messages of an organization | %d,%03d a day |", orgPerDay/1000, orgPerDay%1000),
			fmt.Sprintf("of %d or more that were sent in %d hours and had %d minutes | at least %d %% |", breakerSends, hours(breakerWindow), minutes(breakerSettle), breakerPercent),
			"pause for an hour",
		},
		"push": {
			fmt.Sprintf("%d minutes, %d wrong numbers |", minutes(PushLife), pushTries), fmt.Sprintf("After %s wrong numbers the request ends", words[pushTries]),
			fmt.Sprintf("%s end a request", words[pushTries]), "There is one a minute, and ten an hour,",
		},
		"hardware-token": {
			fmt.Sprintf("| a counter | the next %d | the next %d,%03d |", lookAhead, lookFar/1000, lookFar%1000),
			fmt.Sprintf("| a clock | one interval each way of what it showed last time | %d intervals each way |", driftFar),
			fmt.Sprintf("at most %d intervals by ordinary use", creep),
		},
	} {
		text, err := os.ReadFile("../../docs/methods/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range sentences {
			if !strings.Contains(strings.Join(strings.Fields(string(text)), " "), want) {
				t.Errorf("docs/methods/%s.md does not say %q", name, want)
			}
		}
	}
	if pushPerHour != 10 {
		t.Errorf("%d requests an hour; docs/methods/push.md says ten", pushPerHour)
	}
}
