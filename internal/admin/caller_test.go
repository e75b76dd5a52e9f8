package admin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// lookers are what takes a person and changes nothing of their account, or finds out
// who calls. Whatever is not named here is an act, and waits.
var lookers = []string{"AskCaller", "Caller", "Contacts", "DataOf", "Sessions", "Value", "VerifyCaller"}

type nowhere struct{}

func (nowhere) Queue(context.Context, *store.Tx, notify.Message) (string, error) { return "", nil }

// deaf has what judges a caller and nothing more: an act that does not wait finds
// no part to act with, and panics.
func deaf(t *testing.T, db *store.DB) *Service {
	t.Helper()
	keys := secrettest.NewTestKeyset(t)
	methods, err := method.New(method.Deps{Keys: keys, HashMemory: 64, RelyingParty: "kunci.contoso.com"})
	if err != nil {
		t.Fatal(err)
	}
	challenges, err := challenge.New(challenge.Deps{
		Keys: keys, Methods: methods, Audit: audittest.New(t, db), Messages: nowhere{}, PublicURL: "https://kunci.contoso.com",
	})
	if err != nil {
		t.Fatal(err)
	}
	return &Service{Deps{DB: db, Challenges: challenges}}
}

// Every act on a person waits until the helpdesk knows who calls, were the
// helpdesk allowed all of them: a new one waits without being named.
func TestEveryActOfTheHelpdeskWaitsForTheCaller(t *testing.T) {
	had := allowed[org.Helpdesk]
	allowed[org.Helpdesk] = Actions
	t.Cleanup(func() { allowed[org.Helpdesk] = had })
	o := &org.Organization{ID: "contoso"}
	them := Person{Account: account.Account{ID: "them", OrgID: o.ID, Entry: directory.Entry{Key: "k", UserID: "alain@contoso.com"}}}
	as := Authority{By: audit.Actor{Kind: audit.Admin, Account: "me"}, Role: org.Helpdesk}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := deaf(t, db)
		waits := func(name string, act func() error) {
			t.Helper()
			defer func() {
				if what := recover(); what != nil {
					t.Errorf("%s does not wait for the caller: %v", name, what)
				}
			}()
			if err := act(); !problem.Has(err, problem.CallerUnverified) {
				t.Errorf("%s does not wait for the caller: %v", name, err)
			}
		}
		for _, what := range Actions {
			waits("Do "+string(what), func() error { return s.Do(t.Context(), as, o, them, what) })
		}
		given := map[reflect.Type]reflect.Value{}
		for _, v := range []any{as, o, them} {
			given[reflect.TypeOf(v)] = reflect.ValueOf(v)
		}
		room, seen := reflect.TypeOf(s), 0
		for i := range room.NumMethod() {
			m := room.Method(i)
			in, person := []reflect.Value{reflect.ValueOf(s)}, false
			for j := 1; j < m.Type.NumIn() && !m.Type.IsVariadic(); j++ {
				kind := m.Type.In(j)
				v, known := given[kind]
				switch {
				case kind == reflect.TypeFor[context.Context]():
					v = reflect.ValueOf(t.Context())
				case !known:
					v = reflect.Zero(kind)
				}
				person = person || kind == reflect.TypeFor[Person]()
				in = append(in, v)
			}
			if !person || m.Name == "Do" || slices.Contains(lookers, m.Name) {
				continue // Do was walked above
			}
			seen++
			waits(m.Name, func() error {
				out := m.Func.Call(in)
				err, _ := out[len(out)-1].Interface().(error)
				return err
			})
		}
		if seen < 6 {
			t.Errorf("only %d acts were found", seen)
		}
	})
}

// Whoever may not act is told that alone, and the roles above do not wait.
func TestWhoDoesNotWaitForTheCaller(t *testing.T) {
	o := &org.Organization{ID: "contoso"}
	them := Person{Account: account.Account{ID: "them", OrgID: o.ID, Entry: directory.Entry{UserID: "alain@contoso.com"}}}
	s := &Service{} // nothing to look with
	for _, role := range append(slices.Clone(org.Roles), FrontEnd, "") {
		as := Authority{By: audit.Actor{Kind: audit.Admin, Account: "me"}, Role: role}
		what := Freeze
		if role == org.Helpdesk {
			what = Unfreeze // which it may not
		}
		got := fmt.Sprint(s.mayAct(t.Context(), as, o, them, what) == nil)
		if want := fmt.Sprint(role == org.Owner || role == org.AuthenticationAdmin); got != want {
			t.Errorf("%q: %s", role, got)
		}
	}
	if err := s.mayAct(t.Context(), Operator(), o, them, Freeze); err != nil {
		t.Errorf("the operator: %v", err)
	}
}
