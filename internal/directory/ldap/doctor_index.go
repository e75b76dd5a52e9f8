package ldap

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

const (
	// trials are asked for the quickest of them, which no busy moment made slow.
	trials = 3
	// slowSearch is how much longer than reading one entry a search may take that
	// an index answers.
	slowSearch = 100 * time.Millisecond
)

// indexes asks what an index answers at once and a scan of every entry does not:
// whom nobody is, who somebody is, which groups hold nobody, and, where people are
// listed, who changed after now.
func (x *examiner) indexes(ctx context.Context, c *conn, p *person) {
	d := x.d
	read, err := quickest(func() error {
		_, err := c.read(ctx, d.set.BaseDN, "1.1")
		return err
	})
	if err != nil {
		return // the base was read a moment ago; the next run says more
	}
	nobody := strings.ToLower(rand.Text()) + "@nobody.invalid"
	searches := []struct{ key, base, filter string }{
		{"user_filter", d.set.BaseDN, d.people.userID(nobody)},
		{"user_filter", d.set.BaseDN, d.people.and(d.dialect.keyFilter(p.Key))},
	}
	if d.set.GroupFilter != "" {
		searches = append(searches, struct{ key, base, filter string }{"group_filter", d.groupBase(), groupsOf(d.set.GroupFilter, []string{"cn=nobody," + d.set.BaseDN})})
	}
	var slow []string
	if d.set.Sync.On() {
		by := d.dialect.changes()
		_, at, err := by.begin(ctx, c)
		if at == "" {
			at = d.now().Add(24 * time.Hour).UTC().Format(generalizedTime)
		}
		if err != nil {
			slow = append(slow, fmt.Sprintf("what changed (sync): %v", err))
		} else {
			searches = append(searches, struct{ key, base, filter string }{"sync", d.set.BaseDN, d.people.and(by.since(at) + d.set.Sync.Filter)})
		}
	}
	for _, s := range searches {
		took, err := quickest(func() error {
			_, err := c.search(ctx, s.base, ldap.ScopeWholeSubtree, s.filter, 2, "1.1")
			return err
		})
		switch {
		case err != nil:
			slow = append(slow, fmt.Sprintf("%s (%s): %v", s.filter, s.key, err))
		case scanned(read, took):
			slow = append(slow, fmt.Sprintf("%s (%s) takes %v", s.filter, s.key, took.Round(time.Millisecond)))
		}
	}
	if len(slow) > 0 {
		x.bad("indexes", "index for equality what user_filter and group_filter compare, and what names an entry for ever (entryUUID, nsUniqueId), and with sync modifyTimestamp; objectGUID and uSNChanged are indexed by themselves",
			"the server seems to look at every entry: %s", strings.Join(slow, "; "))
		return
	}
	x.good("indexes", "searches are answered at once")
}

// scanned tells whether a search took so much longer than reading one entry that
// no index can have answered it.
func scanned(read, search time.Duration) bool { return search > slowSearch && search > 10*read }

func quickest(do func() error) (best time.Duration, err error) {
	for i := range trials {
		start := time.Now()
		if err = do(); err != nil {
			return 0, err
		}
		if took := time.Since(start); i == 0 || took < best {
			best = took
		}
	}
	return best, nil
}
