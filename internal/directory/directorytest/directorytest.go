// Package directorytest is the conformance suite of directories: one set of
// promises that every engine keeps. Tests only.
package directorytest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
)

// Account is what the suite asks an engine's fixture to have.
type Account struct {
	UserID, DisplayName, Language string
	Password                      string // "" for none
	Groups                        []string
	Source                        directory.Source // "" for managed
	Disabled, MustChange          bool
	// Contacts stand in the attributes that are named for them, and HomePhone in
	// homePhone, which is named for nothing.
	Contacts  directory.Contacts
	HomePhone string
}

// Fixture is an empty directory under test.
type Fixture struct {
	Directory directory.Directory
	// Add makes an account and gives its key.
	Add func(t *testing.T, a Account) string
	// Remove takes an account away.
	Remove func(t *testing.T, key string)
	// Advance moves the directory's clock.
	Advance func(d time.Duration)
	// Threshold wrong passwords lock for LockFor at first.
	Threshold int
	LockFor   time.Duration
	// OwnRules is a directory outside, with rules of its own that no option moves:
	// its history holds three passwords, the current one included, and always
	// counts; a lock lasts LockFor however often, every wrong password counts, also
	// one that came before, and of many at once more than Threshold may be judged.
	OwnRules bool
	// OldForHistory is a directory that looks at its history only when the old
	// password is given, so that a reset may repeat one.
	OldForHistory bool
	// Mapped is a directory whose organization named attributes for contacts; that of
	// e-mail takes several values.
	Mapped bool
}

// Run holds an engine to the promises of directory.Directory. fresh gives an
// empty directory for each.
func Run(t *testing.T, fresh func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"look up", lookUp},
		{"contacts", contacts},
		{"keys are for ever", keys},
		{"check password", checkPassword},
		{"states are said only of a right password", states},
		{"set password", setPassword},
		{"history", history},
		{"an attempt that may have done it", begun},
		{"external passwords are not set", external},
		{"password characters", characters},
		{"change password", changePassword},
		{"lockout", lockout},
		{"parallel guesses", parallelGuesses},
		{"unknown keys", unknownKeys},
		{"parallel sets", parallelSets},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

const (
	alain  = "alain@contoso.com"
	first  = "hijau daun telaga"
	second = "biru langit gunung"
	third  = "merah bata jembatan"
)

func check(t *testing.T, f Fixture, key, pw string, want directory.CheckResult) {
	t.Helper()
	got, err := f.Directory.CheckPassword(t.Context(), key, pw)
	if err != nil || got != want {
		t.Errorf("check %q: %q, %v; want %q", pw, got, err, want)
	}
}

func set(t *testing.T, f Fixture, key, pw string, o directory.SetOptions) {
	t.Helper()
	if err := f.Directory.SetPassword(t.Context(), key, pw, o); err != nil {
		t.Fatalf("set %q: %v", pw, err)
	}
}

func get(t *testing.T, f Fixture, key string) directory.Entry {
	t.Helper()
	e, err := f.Directory.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func refused(t *testing.T, err error, rule string) {
	t.Helper()
	if r, ok := directory.Refused(err); !ok || r.Rule != rule {
		t.Errorf("want a refusal by %q, got %v", rule, err)
	}
}

func lookUp(t *testing.T, f Fixture) {
	want := Account{UserID: alain, DisplayName: "Alain Charon", Language: "id", Password: first, Groups: []string{"Finance", "Staff"}}
	key := f.Add(t, want)
	for _, typed := range []string{alain, "Alain@Contoso.COM", "  " + alain + " "} {
		e, err := f.Directory.LookUp(t.Context(), typed)
		if err != nil {
			t.Fatalf("%q: %v", typed, err)
		}
		if e.Key != key || e.UserID != alain || e.DisplayName != want.DisplayName || e.Source != directory.Managed || !e.HasPassword {
			t.Errorf("%q: %+v", typed, e)
		}
		for _, g := range want.Groups {
			if !slices.Contains(e.Groups, g) {
				t.Errorf("%q: group %s is missing in %v", typed, g, e.Groups)
			}
		}
		if again := get(t, f, key); again.UserID != e.UserID || again.Key != key {
			t.Errorf("Get gives another: %+v", again)
		}
	}
	for _, typed := range []string{"", "*", "a*", "alain", alain + "\x00", "%", "al_in@contoso.com", "*)(uid=*))(|(uid=*", "al\u0101in@contoso.com", "\uff41lain@contoso.com"} {
		if _, err := f.Directory.LookUp(t.Context(), typed); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%q: %v", typed, err)
		}
	}
}

// contacts: what stands in a named attribute and nothing else, whole, in an order that
// does not change, and no more of it than can be looked at.
func contacts(t *testing.T, f Fixture) {
	full := directory.Contacts{
		Emails: []string{"a@example.net", "b@example.net", "no address"}, MobilePhones: []string{"+628123456789"}, OfficePhones: []string{"021 555 0100"},
	}
	many := directory.Contacts{Emails: []string{strings.Repeat("0", 245) + "@example.net"}}
	for i := range 30 {
		many.Emails = append(many.Emails, fmt.Sprintf("%02d@example.net", i))
	}
	for userID, have := range map[string]directory.Contacts{alain: full, "bare@contoso.com": {}, "many@contoso.com": many} {
		slices.Reverse(have.Emails)
		key := f.Add(t, Account{UserID: userID, Password: first, Contacts: have, HomePhone: "021 555 0199"})
		slices.Sort(have.Emails)
		want := have
		want.Emails = slices.DeleteFunc(slices.Clone(have.Emails), func(v string) bool { return len(v) > 256 })
		want.Emails = want.Emails[:min(len(want.Emails), 20)]
		if !f.Mapped {
			want = directory.Contacts{}
		}
		found, err := f.Directory.LookUp(t.Context(), userID)
		if err != nil {
			t.Fatal(err)
		}
		for name, got := range map[string]directory.Contacts{"LookUp": found.Contacts, "Get": get(t, f, key).Contacts} {
			if !slices.Equal(got.Emails, want.Emails) || !slices.Equal(got.MobilePhones, want.MobilePhones) || !slices.Equal(got.OfficePhones, want.OfficePhones) {
				t.Errorf("%s of %s: %q, want %q", name, userID, got, want)
			}
		}
	}
}

func keys(t *testing.T, f Fixture) {
	before := f.Add(t, Account{UserID: alain, Password: first})
	f.Remove(t, before)
	if _, err := f.Directory.Get(t.Context(), before); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("removed: %v", err)
	}
	after := f.Add(t, Account{UserID: alain, Password: second})
	if before == after {
		t.Error("a recreated account has the key of the removed one")
	}
	check(t, f, before, second, directory.Wrong)
	check(t, f, after, first, directory.Wrong)
}

func checkPassword(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	check(t, f, key, first, directory.OK)
	check(t, f, key, first+" ", directory.Wrong)
	check(t, f, key, "Hijau daun telaga", directory.Wrong)
	check(t, f, key, "", directory.Wrong)
	none := f.Add(t, Account{UserID: "new@contoso.com"})
	if get(t, f, none).HasPassword {
		t.Error("an account that never received a password has one")
	}
	check(t, f, none, "", directory.Wrong)
	check(t, f, none, first, directory.Wrong)
}

func states(t *testing.T, f Fixture) {
	off := f.Add(t, Account{UserID: "off@contoso.com", Password: first, Disabled: true})
	must := f.Add(t, Account{UserID: "must@contoso.com", Password: first, MustChange: true})
	check(t, f, off, first, directory.Disabled)
	check(t, f, off, second, directory.Wrong)
	check(t, f, must, first, directory.MustChange)
	check(t, f, must, second, directory.Wrong)
	set(t, f, must, third, directory.SetOptions{})
	check(t, f, must, third, directory.OK)
	set(t, f, must, second, directory.SetOptions{MustChange: true})
	check(t, f, must, second, directory.MustChange)
}

func setPassword(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	f.Advance(time.Hour)
	before := get(t, f, key).PasswordChangedAt
	set(t, f, key, second, directory.SetOptions{})
	check(t, f, key, second, directory.OK)
	check(t, f, key, first, directory.Wrong)
	if !get(t, f, key).PasswordChangedAt.After(before) {
		t.Error("the time of the change is not noted")
	}
	none := f.Add(t, Account{UserID: "new@contoso.com"})
	set(t, f, none, first, directory.SetOptions{History: 5})
	check(t, f, none, first, directory.OK)
}

func history(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	o := directory.SetOptions{History: 3}
	set(t, f, key, second, o)
	set(t, f, key, third, o)
	for _, pw := range []string{first, second, third} {
		if f.OldForHistory {
			refused(t, f.Directory.ChangePassword(t.Context(), key, third, pw, directory.ChangeOptions{History: 3}), directory.RuleHistory)
		} else {
			refused(t, f.Directory.SetPassword(t.Context(), key, pw, o), directory.RuleHistory)
		}
	}
	check(t, f, key, third, directory.OK)
	set(t, f, key, "kuning pasir pantai", o)
	set(t, f, key, first, o)
	if !f.OwnRules {
		set(t, f, key, first, directory.SetOptions{})
	}
	check(t, f, key, first, directory.OK)
}

// begun: what an earlier attempt did is done, and is no reuse; what nobody did since
// is one.
func begun(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	o := directory.SetOptions{History: 3, Unlock: true}
	set(t, f, key, second, o)
	changed := get(t, f, key).PasswordChangedAt
	o.Begun = changed.Add(-time.Second)
	set(t, f, key, second, o)
	check(t, f, key, second, directory.OK)
	o.Begun = changed.Add(time.Hour)
	if !f.OldForHistory {
		refused(t, f.Directory.SetPassword(t.Context(), key, second, o), directory.RuleHistory)
		o.Begun = changed.Add(-time.Second)
		refused(t, f.Directory.SetPassword(t.Context(), key, first, o), directory.RuleHistory)
	}
	o.Begun = changed.Add(-time.Second)
	set(t, f, key, third, o) // whoever tries again may take another one
	check(t, f, key, third, directory.OK)
	check(t, f, key, second, directory.Wrong)
}

func external(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Source: directory.External})
	if get(t, f, key).Source != directory.External {
		t.Fatal("not external")
	}
	refused(t, f.Directory.SetPassword(t.Context(), key, first, directory.SetOptions{}), directory.RuleExternal)
	check(t, f, key, first, directory.Wrong)
}

func characters(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	for _, pw := range []string{
		`"quotes" and \backslashes\ $1`, "  leading and trailing  ", "emoji \U0001f511\U0001f511\U0001f511", "rene\u0301 composed", "\u202bright to left",
	} {
		set(t, f, key, pw, directory.SetOptions{})
		check(t, f, key, pw, directory.OK)
	}
	for _, pw := range []string{second, third, "ren\u00e9 composed"} { // out of any history of three
		set(t, f, key, pw, directory.SetOptions{})
	}
	check(t, f, key, "rene\u0301 composed", directory.OK)
	for _, pw := range []string{"", "null\x00byte inside", "line\nbreak inside", "broken \xff\xfe UTF-8"} {
		refused(t, f.Directory.SetPassword(t.Context(), key, pw, directory.SetOptions{}), directory.RuleUnreadable)
	}
	check(t, f, key, "ren\u00e9 composed", directory.OK)
}

func changePassword(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first, MustChange: true})
	o := directory.ChangeOptions{History: 2}
	if err := f.Directory.ChangePassword(t.Context(), key, second, third, o); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("wrong old password: %v", err)
	}
	refused(t, f.Directory.ChangePassword(t.Context(), key, first, first, o), directory.RuleHistory)
	if err := f.Directory.ChangePassword(t.Context(), key, first, second, o); err != nil {
		t.Fatal(err)
	}
	check(t, f, key, second, directory.OK)
	for i := range f.Threshold {
		_ = f.Directory.ChangePassword(t.Context(), key, first+string(rune('a'+i)), third, o)
	}
	if err := f.Directory.ChangePassword(t.Context(), key, second, third, o); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("changed while locked: %v", err)
	}
	f.Advance(f.LockFor)
	check(t, f, key, second, directory.OK)
}

func guess(t *testing.T, f Fixture, key string, n int, tag string) {
	t.Helper()
	for i := range n {
		check(t, f, key, tag+string(rune('a'+i)), directory.Wrong)
	}
}

func lockout(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	guess(t, f, key, f.Threshold-1, "guess ")
	check(t, f, key, first, directory.OK) // clears the count
	guess(t, f, key, f.Threshold, "again ")
	check(t, f, key, first, directory.Locked)
	if !get(t, f, key).LockedUntil.After(time.Time{}) {
		t.Error("the entry does not show the lock")
	}
	f.Advance(f.LockFor)
	if !get(t, f, key).LockedUntil.IsZero() {
		t.Error("the entry shows a lock that is over")
	}
	if !f.OwnRules {
		guess(t, f, key, 1, "after the first lock ")
		f.Advance(f.LockFor)
		check(t, f, key, first, directory.Locked) // twice as long
		f.Advance(f.LockFor)
	}
	check(t, f, key, first, directory.OK)

	guess(t, f, key, f.Threshold, "third ")
	if err := f.Directory.Unlock(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	check(t, f, key, first, directory.OK)
	guess(t, f, key, f.Threshold-1, "count ")
	if err := f.Directory.Unlock(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	guess(t, f, key, f.Threshold-1, "from the beginning ")
	check(t, f, key, first, directory.OK)
	guess(t, f, key, f.Threshold, "fourth ")
	if !f.OwnRules {
		set(t, f, key, second, directory.SetOptions{})
		check(t, f, key, second, directory.Locked)
	}
	set(t, f, key, third, directory.SetOptions{Unlock: true})
	check(t, f, key, third, directory.OK)
	if f.OwnRules {
		return
	}
	// The same three wrong passwords again and again are no attack.
	for range f.Threshold * 2 {
		guess(t, f, key, 3, "old ")
	}
	check(t, f, key, third, directory.OK)
}

// parallelGuesses: of many at once exactly Threshold are judged, and a right one
// that comes after them is not told.
func parallelGuesses(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	var wg sync.WaitGroup
	results := make(chan directory.CheckResult, f.Threshold*3)
	for i := range f.Threshold * 3 {
		wg.Go(func() {
			r, err := f.Directory.CheckPassword(context.WithoutCancel(t.Context()), key, "guess "+string(rune('a'+i)))
			if err != nil {
				t.Errorf("guess: %v", err)
			}
			results <- r
		})
	}
	wg.Wait()
	close(results)
	judged := 0
	for r := range results {
		if r == directory.Wrong {
			judged++
		} else if r != directory.Locked {
			t.Errorf("a guess is %q", r)
		}
	}
	if judged != f.Threshold && !f.OwnRules || judged < f.Threshold {
		t.Errorf("%d guesses were judged, want %d", judged, f.Threshold)
	}
	check(t, f, key, first, directory.Locked)
}

func unknownKeys(t *testing.T, f Fixture) {
	const key = "01890a5d-ac96-774b-bcce-b302099a8057"
	check(t, f, key, first, directory.Wrong)
	for name, err := range map[string]error{
		"set":    f.Directory.SetPassword(t.Context(), key, first, directory.SetOptions{}),
		"unlock": f.Directory.Unlock(t.Context(), key),
	} {
		if !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Directory.ChangePassword(t.Context(), key, first, second, directory.ChangeOptions{}); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("change: %v", err)
	}
}

// parallelSets: one of the passwords set at once is the password.
func parallelSets(t *testing.T, f Fixture) {
	key := f.Add(t, Account{UserID: alain, Password: first})
	words := []string{second, third, "kuning pasir pantai", "putih awan pagi"}
	var wg sync.WaitGroup
	for _, pw := range words {
		wg.Go(func() {
			if err := f.Directory.SetPassword(context.WithoutCancel(t.Context()), key, pw, directory.SetOptions{History: 2}); err != nil {
				t.Errorf("set: %v", err)
			}
		})
	}
	wg.Wait()
	right := 0
	for _, pw := range words {
		if r, err := f.Directory.CheckPassword(t.Context(), key, pw); err != nil {
			t.Error(err)
		} else if r == directory.OK {
			right++
		}
	}
	if right != 1 {
		t.Errorf("%d of the passwords are right", right)
	}
	check(t, f, key, first, directory.Wrong)
}
