package account_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// told is a directory whose entries say how people can be reached.
type told struct {
	directory.Directory
	say func() directory.Entry
}

func (d told) LookUp(ctx context.Context, userID string) (directory.Entry, error) {
	e, err := d.Directory.LookUp(ctx, userID)
	e.Contacts, e.Privileged = d.say().Contacts, d.say().Privileged
	return e, err
}

// reached is a house whose directory says what entry holds at the moment.
type reached struct {
	house
	entry *directory.Entry
	told  *[]account.Settlement
}

func eachReached(t *testing.T, fn func(h reached, clock *storetest.Clock)) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		h := reached{entry: &directory.Entry{}, told: &[]account.Settlement{}}
		h.house = build(t, db, func(d directory.Directory) directory.Directory {
			return told{d, func() directory.Entry { return *h.entry }}
		})
		inner := build(t, db, func(d directory.Directory) directory.Directory { return d })
		inner.mustLoad("user_id,password\nalain@contoso.com,hijau daun telaga\n")
		h.org.Directory.Kind = org.LDAP
		h.org.Policy.Phone.Countries = []string{"ID"}
		h.OnSettlement(func(_ context.Context, _ *store.Tx, by audit.Actor, _ *org.Organization, _ account.Account, what account.Settlement) error {
			if by.Kind != audit.System {
				t.Errorf("done by %+v", by)
			}
			*h.told = append(*h.told, what)
			return nil
		})
		fn(h, clock)
	})
}

// settle looks the person up and gives the values of their methods.
func (h reached) settle() (values []string) {
	h.t.Helper()
	if _, err := h.Settle(h.t.Context(), audit.Actor{Kind: audit.Anonymous}, h.org, h.find(alain)); err != nil {
		h.t.Fatal(err)
	}
	for _, m := range h.methodsOf(alain) {
		values = append(values, m.Value)
	}
	return values
}

func (h reached) want(what string, want ...string) {
	h.t.Helper()
	if got := h.settle(); !slices.Equal(got, want) {
		h.t.Errorf("%s: %v, want %v", what, got, want)
	}
	if h.Unsettled(h.org, h.find(alain)) {
		h.t.Errorf("%s: it is not settled by settling", what)
	}
}

func (h reached) only() method.Method {
	h.t.Helper()
	all := h.methodsOf(alain)
	if len(all) != 1 {
		h.t.Fatalf("%d methods", len(all))
	}
	return all[0]
}

func TestWhatTheDirectorySaysIsAMethodUntilItSaysOtherwise(t *testing.T) {
	eachReached(t, func(h reached, _ *storetest.Clock) {
		h.want("nothing is said")
		h.entry.Contacts = directory.Contacts{
			Emails:       []string{"alain@contoso.com", "alain@mail.contoso.com", "no address", "alain@example.net"},
			MobilePhones: []string{"0812 3456 789", "4711", "+1 212 555 0100"},
			OfficePhones: []string{"123"},
		}
		h.want("first look", "alain@example.net", "+628123456789")
		if m := h.methodsOf(alain)[0]; !m.Given() || !m.FromDirectory() || m.ProvesSignIn() {
			h.t.Errorf("it is marked %+v", m)
		}
		if len(*h.told) != 1 || len((*h.told)[0].Before) != 0 || len((*h.told)[0].Added) != 2 {
			h.t.Errorf("announced: %+v", *h.told)
		}
		h.entry.Contacts = directory.Contacts{Emails: []string{"other@example.net"}}
		h.want("changed", "other@example.net")
		if last := (*h.told)[len(*h.told)-1]; len(last.Gone) != 2 || len(last.Added) != 1 {
			h.t.Errorf("announced: %+v", last)
		}
		n := 0
		for _, k := range h.events() {
			if k == "method.added" || k == "method.deleted" {
				n++
			}
		}
		if n != 5 {
			h.t.Errorf("%d events", n)
		}
		h.entry.Contacts = directory.Contacts{}
		h.want("taken away")
	})
}

// The directory of an organization that names no attribute, or keeps its accounts
// here, gives nothing; nor does it give administrators anything, or who it protects.
func TestWhoeverWritesTheDirectoryGainsNoAdministrator(t *testing.T) {
	eachReached(t, func(h reached, _ *storetest.Clock) {
		h.entry.Contacts.Emails = []string{"alain@example.net"}
		h.want("an ordinary person", "alain@example.net")
		given := h.only()
		h.entry.Privileged = true
		if why, _ := account.RequirementOf(h.org, h.find(alain)).Refusal(given, time.Now()); why != "unconfirmed" {
			h.t.Errorf("before anybody settled it counts: %q", why)
		}
		h.want("whom the directory protects")
		h.entry.Privileged = false
		h.want("no longer", "alain@example.net")
		h.org.Administrators = []org.Administrator{{UserID: alain, Role: org.Owner}}
		h.want("an administrator")
	})
}

func TestWhatSomebodyDeletedDoesNotComeBack(t *testing.T) {
	eachReached(t, func(h reached, clock *storetest.Clock) {
		h.entry.Contacts.Emails = []string{"alain@example.net"}
		h.want("first", "alain@example.net")
		m := h.only()
		if err := h.write(func(ctx context.Context, tx *store.Tx) error {
			_, err := h.methods.Delete(ctx, tx, m.OrgID, m.AccountID, m.ID)
			return err
		}); err != nil {
			h.t.Fatal(err)
		}
		h.want("at the next look")
		clock.Advance(8 * 24 * time.Hour)
		if err := h.write(func(ctx context.Context, tx *store.Tx) error { _, err := h.methods.Purge(ctx, tx); return err }); err != nil {
			h.t.Fatal(err)
		}
		h.entry.Contacts.Emails = []string{"new@example.net"}
		h.want("another value", "new@example.net")
		h.entry.Contacts.Emails = []string{"alain@example.net"}
		h.want("the old value again, after the seven days")
	})
}

// A deletion is not undone once the directory took the value away, and what was undone
// before anybody looked goes at the next look.
func TestWhatLeftTheDirectoryIsNotBroughtBack(t *testing.T) {
	for name, first := range map[string]string{"looked at before": "look", "looked at after": "undo"} {
		t.Run(name, func(t *testing.T) {
			eachReached(t, func(h reached, _ *storetest.Clock) {
				h.entry.Contacts.Emails = []string{"alain@example.net"}
				h.settle()
				m := h.only()
				undo := func() error {
					return h.write(func(ctx context.Context, tx *store.Tx) error {
						_, err := h.methods.Undelete(ctx, tx, m.OrgID, m.AccountID, m.ID)
						return err
					})
				}
				if err := h.write(func(ctx context.Context, tx *store.Tx) error {
					_, err := h.methods.Delete(ctx, tx, m.OrgID, m.AccountID, m.ID)
					return err
				}); err != nil {
					h.t.Fatal(err)
				}
				h.want("deleted")
				h.entry.Contacts.Emails = nil
				if first == "look" {
					h.want("it left")
				}
				if err := undo(); problem.Has(err, problem.NotFound) != (first == "look") {
					h.t.Errorf("undone: %v", err)
				}
				h.want("at the next look")
				h.entry.Contacts.Emails = []string{"alain@example.net"}
				if first == "look" {
					h.want("the value again")
				} else {
					h.want("the directory took it away, and gives it again", "alain@example.net")
				}
			})
		})
	}
}

func TestWhatItsPersonConfirmedStays(t *testing.T) {
	eachReached(t, func(h reached, _ *storetest.Clock) {
		h.entry.Contacts.Emails = []string{"alain@example.net"}
		h.settle()
		m := h.only()
		if err := h.write(func(ctx context.Context, tx *store.Tx) error {
			return h.methods.Confirm(ctx, tx, m.OrgID, m.AccountID, m.ID)
		}); err != nil {
			h.t.Fatal(err)
		}
		h.entry.Contacts.Emails = nil
		h.want("it went", "alain@example.net")
		if h.only().ProvedBy != method.ByPerson {
			h.t.Error("it is not its person's")
		}
		h.entry.Contacts.Emails = []string{"Alain@example.net"}
		h.want("it came again", "alain@example.net")
	})
}

func TestAFileDoesNotSayWhatTheDirectorySays(t *testing.T) {
	eachReached(t, func(h reached, _ *storetest.Clock) {
		h.org.Directory.Attributes.MobilePhone = "mobile"
		_, err := h.load("user_id,mobile_phone\nalain@contoso.com,+628123456789\n")
		if err == nil || !strings.Contains(err.Error(), "mobile_phone") {
			h.t.Errorf("%v", err)
		}
		h.mustLoad("user_id,email\nalain@contoso.com,alain@example.net\n")
	})
}
