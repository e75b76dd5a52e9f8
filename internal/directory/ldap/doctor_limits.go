package ldap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// limitPatience is how long each list is read to see whether it comes whole.
const limitPatience = 5 * time.Second

// errEnough ends a reading that has shown what it was for.
var errEnough = errors.New("enough was read")

// lists reads names alone, as groups and the list of people are read, and tells
// whether the server cuts them short: the people only where there is a list, and of
// groups no more than one person may be in. Nobody can be in more than there are.
func (x *examiner) lists(ctx context.Context, s *server) {
	d := x.d
	type list struct {
		what  string
		pages pages
		most  int // 0: all
	}
	var all []list
	if d.set.GroupFilter != "" {
		filter := strings.ReplaceAll(d.set.GroupFilter, org.DNPlace, "*")
		all = append(all, list{"groups", pages{d.groupBase(), filter, []string{"1.1"}, pageSize, s.limits.operation}, mostGroups})
	}
	if d.set.Sync.On() {
		all = append(all, list{"people", pages{d.set.BaseDN, d.people.and(d.set.Sync.Filter), []string{"1.1"}, s.limits.page, listPatience}, 0})
	}
	var seen []string
	for _, l := range all {
		n, err := x.count(ctx, s, l.pages, l.most)
		switch {
		case errors.Is(err, errCutShort):
			mend := d.dialect.unlimited()
			x.add(Finding{Name: "limits", Text: fmt.Sprintf("the server gives no more than %d %s to %s: %v", n, l.what, d.set.BindDN, err), Mend: mend, Setting: mend})
			return
		case err != nil:
			x.bad("limits", "see why the server does not answer a search in pages", "%s cannot be read in pages: %v", l.what, err)
			return
		}
		seen = append(seen, fmt.Sprintf("%d %s", n, l.what))
	}
	if len(seen) > 0 {
		x.good("limits", "lists come whole (%s read)", strings.Join(seen, ", "))
	}
}

// count reads a list on a connection of its own, which is closed in the middle of
// what was enough.
func (x *examiner) count(ctx context.Context, s *server, p pages, most int) (n int, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer c.close()
	start := time.Now()
	err = c.pages(ctx, p, func(found []*ldap.Entry) error {
		n += len(found)
		if most > 0 && n > most || time.Since(start) > limitPatience {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return n, err
}

// unlimited is what lets the service account read lists of any length.
func (o *openLDAP) unlimited() string {
	return fmt.Sprintf("add to the database in slapd's configuration: limits dn.exact=%q size.prtotal=unlimited", o.d.set.BindDN)
}

func (s *ds389) unlimited() string { return unlimited389(s.d.set.BindDN) }

func (f *freeIPA) unlimited() string { return unlimited389(f.d.set.BindDN) }

// unlimited389 are the limits that an entry has of its own, which hold for whoever
// signs in with it.
func unlimited389(dn string) string {
	return fmt.Sprintf("add to the entry %s: nsSizeLimit: -1, nsPagedSizeLimit: -1, nsLookThroughLimit: -1 and nsPagedLookThroughLimit: -1", dn)
}

func (*activeDirectory) unlimited() string {
	return "see MaxPageSize in the LDAP policy of the domain controllers (ntdsutil), which is 1000 as it is installed"
}
