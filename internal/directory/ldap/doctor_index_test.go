package ldap

import (
	"testing"
	"time"
)

func TestASearchThatNoIndexAnswers(t *testing.T) {
	for _, c := range []struct {
		read, search time.Duration
		want         bool
	}{
		{time.Millisecond, 2 * time.Millisecond, false},
		{time.Millisecond, 90 * time.Millisecond, false},       // a busy server
		{80 * time.Millisecond, 170 * time.Millisecond, false}, // far away
		{time.Millisecond, 150 * time.Millisecond, true},
		{80 * time.Millisecond, 2 * time.Second, true},
	} {
		if got := scanned(c.read, c.search); got != c.want {
			t.Errorf("reading takes %v and searching %v: %v", c.read, c.search, got)
		}
	}
}
