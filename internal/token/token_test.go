package token_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/token"
)

var operator = audit.Actor{Kind: audit.CLI}

// people is a directory of two.
type people struct{ directory.Directory }

func (people) LookUp(_ context.Context, userID string) (directory.Entry, error) {
	return people{}.Get(context.Background(), userID)
}

func (people) Get(_ context.Context, key string) (directory.Entry, error) {
	if key != "alain@contoso.com" && key != "citra@contoso.com" {
		return directory.Entry{}, directory.ErrNotFound
	}
	return directory.Entry{Key: key, UserID: key, Language: "en"}, nil
}

type outbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

func (o *outbox) Queue(_ context.Context, _ *store.Tx, m notify.Message) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, m)
	return m.Key, nil
}

type room struct {
	*token.Service
	t        *testing.T
	db       *store.DB
	clock    *storetest.Clock
	org      *org.Organization
	methods  *method.Service
	accounts *account.Service
	audit    *audit.Service
	out      *outbox
}

func each(t *testing.T, do func(r *room)) {
	t.Helper()
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		keys := secrettest.NewTestKeyset(t)
		r := &room{t: t, db: db, clock: clock, audit: audittest.New(t, db), out: &outbox{}}
		r.org, _ = orgtest.Contoso(t, db, r.audit)
		var err error
		r.methods, err = method.New(method.Deps{Keys: keys, HashMemory: 64})
		must(err)
		r.accounts, err = account.New(account.Deps{DB: db, Methods: r.methods, Audit: r.audit,
			Directories: func(*org.Organization) (directory.Directory, error) { return people{}, nil }})
		must(err)
		challenges, err := challenge.New(challenge.Deps{Keys: keys, Methods: r.methods, Audit: r.audit, Messages: r.out})
		must(err)
		r.Service, err = token.New(token.Deps{DB: db, Accounts: r.accounts, Methods: r.methods, Challenges: challenges, Audit: r.audit, Messages: r.out})
		must(err)
		do(r)
	})
}

func (r *room) account(userID string) account.Account {
	r.t.Helper()
	a, err := r.accounts.Find(r.t.Context(), r.org, userID)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func seed(n int) string { return fmt.Sprintf("%040x", n+1) }

func (r *room) file(text string, skip bool) (token.Report, error) {
	return r.Import(r.t.Context(), operator, r.org, strings.NewReader(text), skip)
}

func (r *room) list() string {
	r.t.Helper()
	all, err := r.List(r.t.Context(), r.org)
	if err != nil {
		r.t.Fatal(err)
	}
	var lines []string
	for _, t := range all {
		who := "nobody"
		if t.AccountID == r.account("alain@contoso.com").ID {
			who = "alain"
		} else if t.AccountID != "" {
			who = "citra"
		}
		lines = append(lines, fmt.Sprintf("%s %s %v", t.Serial, who, t.Active))
	}
	return strings.Join(lines, "; ")
}

func TestAFileIsAppliedWholeOrNot(t *testing.T) {
	each(t, func(r *room) {
		head := "upn,serial number,secret key,type\n"
		bad := head + "alain@contoso.com,1001," + seed(1) + ",totp\nnobody@contoso.com,1002," + seed(2) + ",totp\n,1003," + seed(1) + ",hotp\n,1004,zz,\n"
		_, err := r.file(bad, false)
		var wrong *token.FileError
		if !errors.As(err, &wrong) {
			r.t.Fatalf("a bad file: %v", err)
		}
		want := []token.BadRow{{Line: 3, Column: "upn", Reason: token.ReasonNotFound}, {Line: 4, Column: "secretkey", Reason: token.ReasonTaken}, {Line: 5, Column: "secretkey", Reason: token.ReasonSecret}}
		if fmt.Sprint(wrong.Rows) != fmt.Sprint(want) {
			r.t.Errorf("bad rows %v, want %v", wrong.Rows, want)
		}
		if strings.Contains(err.Error(), seed(1)) {
			r.t.Error("the refusal repeats a secret")
		}
		if got := r.list(); got != "" {
			r.t.Errorf("something was applied: %s", got)
		}
		report, err := r.file(bad, true)
		if err != nil || report.Rows != 4 || report.Added != 1 || report.Assigned != 1 || len(report.Bad) != 3 {
			r.t.Errorf("leaving bad rows out: %+v, %v", report, err)
		}
		good := head + "alain@contoso.com,1001," + seed(1) + ",\n,1002," + seed(2) + ",hotp\n"
		for n, want := range []token.Report{{Rows: 2, Added: 1, Unchanged: 1}, {Rows: 2, Unchanged: 2}} {
			report, err := r.file(good, false)
			if err != nil || fmt.Sprint(report) != fmt.Sprint(want) {
				r.t.Errorf("time %d: %+v, %v", n, report, err)
			}
		}
		if got := r.list(); got != "1001 alain false; 1002 nobody false" {
			r.t.Errorf("tokens: %s", got)
		}
		for text, reason := range map[string]string{
			"citra@contoso.com,1001," + seed(1) + ",": token.ReasonHeld,
			",1001," + seed(9) + ",":                  token.ReasonTaken,
			",1009," + seed(1) + ",":                  token.ReasonTaken,
			",1001," + seed(1) + ",hotp":              token.ReasonTaken,
		} {
			if _, err := r.file(head+text+"\n", false); !errors.As(err, &wrong) || wrong.Rows[0].Reason != reason {
				r.t.Errorf("%s: %v, want %s", text[:24], err, reason)
			}
		}
	})
}

func TestATokenIsHandedOutActivatedAndTakenBack(t *testing.T) {
	each(t, func(r *room) {
		alain, citra := r.account("alain@contoso.com"), r.account("citra@contoso.com")
		err := r.db.Write(r.t.Context(), func(tx *store.Tx) error {
			_, err := r.methods.Add(r.t.Context(), tx, method.Method{OrgID: r.org.ID, AccountID: alain.ID, Kind: method.Email, Value: "alain@example.org", Proved: true, ProvedBy: method.ByPerson})
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if _, err := r.file("serial,secret,type,counter\n1001,"+seed(1)+",hotp,100\n", false); err != nil {
			r.t.Fatal(err)
		}
		ctx := r.t.Context()
		raw, err := hex.DecodeString(seed(1))
		if err != nil {
			r.t.Fatal(err)
		}
		code := func(n int64) string {
			return method.OATH{Counter: true, Algorithm: method.SHA1, Digits: 6}.Code(raw, n)
		}
		step := func(what string, err error, want problem.Code, list string) {
			r.t.Helper()
			if (want == "") != (err == nil) || want != "" && !problem.Has(err, want) {
				r.t.Errorf("%s: %v, want %q", what, err, want)
			}
			if got := r.list(); got != list {
				r.t.Errorf("%s: %s, want %s", what, got, list)
			}
		}
		step("activating what is nobody's", r.Activate(ctx, operator, r.org, alain, "1001", code(100)), problem.NotFound, "1001 nobody false")
		step("taking what nobody has", r.Take(ctx, operator, r.org, "1001"), problem.Conflict, "1001 nobody false")
		self := audit.Actor{Kind: audit.Admin, Account: alain.ID, UserID: alain.Entry.UserID}
		step("to oneself", r.Assign(ctx, self, r.org, "1001", alain), problem.Forbidden, "1001 nobody false")
		step("assigning", r.Assign(ctx, operator, r.org, "1001", alain), "", "1001 alain false")
		step("again", r.Assign(ctx, operator, r.org, "1001", alain), "", "1001 alain false")
		step("to another", r.Assign(ctx, operator, r.org, "1001", citra), problem.Conflict, "1001 alain false")
		step("by another", r.Activate(ctx, operator, r.org, citra, "1001", code(100)), problem.NotFound, "1001 alain false")
		step("no code", r.Activate(ctx, operator, r.org, alain, "1001", "abc"), problem.CodeFormat, "1001 alain false")
		step("a used code", r.Activate(ctx, operator, r.org, alain, "1001", code(98)), problem.CodeWrong, "1001 alain false")
		step("far ahead", r.Activate(ctx, operator, r.org, alain, "1001", code(300), code(301)), "", "1001 alain true")
		step("twice", r.Activate(ctx, operator, r.org, alain, "1001", code(302)), problem.Conflict, "1001 alain true")
		step("dropping what somebody has", r.Drop(ctx, operator, r.org, "1001"), problem.Conflict, "1001 alain true")
		step("taking", r.Take(ctx, operator, r.org, "1001"), "", "1001 nobody false")
		step("assigning anew", r.Assign(ctx, operator, r.org, "1001", citra), "", "1001 citra false")
		step("a code that Alain has seen", r.Activate(ctx, operator, r.org, citra, "1001", code(301)), problem.CodeUsed, "1001 citra false")
		step("the next", r.Activate(ctx, operator, r.org, citra, "1001", code(302)), "", "1001 citra true")
		step("taking again", r.Take(ctx, operator, r.org, "1001"), "", "1001 nobody false")
		step("dropping", r.Drop(ctx, operator, r.org, "1001"), "", "")
		step("what is gone", r.Drop(ctx, operator, r.org, "1001"), problem.NotFound, "")
		var told []string
		for _, m := range r.out.sent {
			told = append(told, m.To+" "+m.Body.(notify.MethodNotice).Action)
		}
		if got := strings.Join(told, ", "); got != "alain@example.org added, alain@example.org deleted" {
			r.t.Errorf("told: %s", got)
		}
		r.recorded("token_assigned", "token_activated", "token_taken", "token_dropped", "token_import")
	})
}

func (r *room) recorded(reasons ...string) {
	r.t.Helper()
	var all []audit.Record
	err := r.db.Read(r.t.Context(), func(tx *store.Tx) (err error) {
		all, err = r.audit.List(r.t.Context(), tx, audit.Query{Limit: 100})
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	text := fmt.Sprintf("%+v", all)
	for _, reason := range reasons {
		if !strings.Contains(text, reason) {
			r.t.Errorf("no event %s", reason)
		}
	}
	if strings.Contains(text, seed(1)) {
		r.t.Error("an event holds a secret")
	}
}
