package ldap_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// Passwords that the domain takes: eight characters, three kinds.
const (
	oldOne  = "Hijau.daun.telaga"
	newOne  = "Biru.langit.gunung"
	another = "Merah.bata.jembatan"
)

// alain is one person in a unit of the domain, and the directory that finds them.
type alain struct {
	s         *ldaptest.Samba
	unit, dn  string
	key       string
	directory directory.Directory
}

func someone(t *testing.T, u ldaptest.SambaUser) *alain {
	t.Helper()
	s := ldaptest.StartSamba(t)
	a := &alain{s: s, unit: s.Unit(t)}
	if u.UserID == "" {
		u.UserID = "alain@contoso.com"
	}
	if u.Password == "" {
		u.Password = oldOne
	}
	a.dn = s.User(t, a.unit, u)
	a.key, a.directory = s.Key(t, a.dn), open(t, samba(s, a.unit))
	return a
}

func (a *alain) wants(t *testing.T, pw string, want directory.CheckResult) {
	t.Helper()
	if got, err := a.directory.CheckPassword(t.Context(), a.key, pw); err != nil || got != want {
		t.Errorf("%q: %q, %v; want %q", pw, got, err, want)
	}
}

func (a *alain) set(t *testing.T, pw string, o directory.SetOptions) {
	t.Helper()
	if err := a.directory.SetPassword(t.Context(), a.key, pw, o); err != nil {
		t.Fatalf("set %q: %v", pw, err)
	}
}

func (a *alain) entry(t *testing.T) directory.Entry {
	t.Helper()
	e, err := a.directory.Get(t.Context(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (a *alain) lock(t *testing.T) {
	t.Helper()
	for i := range ldaptest.SambaThreshold {
		a.wants(t, fmt.Sprint("guess ", i), directory.Wrong)
	}
	a.wants(t, oldOne, directory.Locked)
	a.wants(t, "one guess more", directory.Locked) // 775 whatever the password is
}

// What keeps a person out is said for the right password and for no other.
func TestActiveDirectoryStatesAreSaidOnlyOfARightPassword(t *testing.T) {
	for _, c := range []struct {
		name, attribute, value string
		want                   directory.CheckResult
		entry                  func(directory.Entry) bool
	}{
		{"disabled", "userAccountControl", "514", directory.Disabled, func(e directory.Entry) bool { return e.Disabled }},
		{"account expired", "accountExpires", "132000000000000000", directory.Disabled, func(e directory.Entry) bool { return e.Disabled }},
		{"not at this hour", "logonHours", strings.Repeat("\x00", 21), directory.Disabled, nil},
		{"not from here", "userWorkstations", "PC1", directory.Disabled, nil},
		{"must change", "pwdLastSet", "0", directory.MustChange, func(e directory.Entry) bool { return e.MustChange && e.HasPassword }},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := someone(t, ldaptest.SambaUser{})
			a.wants(t, oldOne, directory.OK)
			a.s.Set(t, a.dn, c.attribute, c.value)
			a.wants(t, oldOne, c.want)
			a.wants(t, newOne, directory.Wrong)
			if c.entry != nil && !c.entry(a.entry(t)) {
				t.Errorf("the entry does not say so: %+v", a.entry(t))
			}
			// Who cannot sign in cannot change either, except for what a change mends.
			err := a.directory.ChangePassword(t.Context(), a.key, oldOne, newOne, directory.ChangeOptions{})
			if c.want == directory.Disabled && !errors.Is(err, directory.ErrWrongPassword) || c.want == directory.MustChange && err != nil {
				t.Errorf("change: %v", err)
			}
		})
	}
}

func TestActiveDirectoryExpiredPasswordsAreChanged(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	a.s.Policy(t, map[string]string{"MaximumPasswordAge": ldaptest.SambaInterval(90 * 24 * time.Hour)}, a.dn)
	a.s.Age(t, 89*24*time.Hour, a.dn)
	a.wants(t, oldOne, directory.OK)
	a.s.Age(t, 2*24*time.Hour, a.dn)
	a.wants(t, oldOne, directory.Expired)
	a.wants(t, newOne, directory.Wrong)
	if err := a.directory.ChangePassword(t.Context(), a.key, oldOne, newOne, directory.ChangeOptions{}); err != nil {
		t.Fatal(err)
	}
	a.wants(t, newOne, directory.OK)
}

func TestActiveDirectoryLocksAndUnlocks(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	if until := a.entry(t).LockedUntil; !until.IsZero() {
		t.Fatalf("locked until %v", until)
	}
	a.lock(t)
	until := time.Until(a.entry(t).LockedUntil)
	if until <= ldaptest.SambaLockFor-time.Minute || until > ldaptest.SambaLockFor {
		t.Errorf("locked for %v, want %v", until, ldaptest.SambaLockFor)
	}
	a.set(t, newOne, directory.SetOptions{})
	a.wants(t, newOne, directory.Locked)
	if err := a.directory.Unlock(t.Context(), a.key); err != nil {
		t.Fatal(err)
	}
	a.wants(t, newOne, directory.OK)
	if until := a.entry(t).LockedUntil; !until.IsZero() {
		t.Errorf("locked until %v", until)
	}
	a.set(t, oldOne, directory.SetOptions{})
	a.lock(t)
	a.set(t, another, directory.SetOptions{Unlock: true, MustChange: true})
	a.wants(t, another, directory.MustChange)
	a.s.ReadPolicy(t, a.s.Policy(t, map[string]string{"LockoutThreshold": "3", "LockoutDuration": "-9223372036854775808"}, a.dn))
	a.set(t, oldOne, directory.SetOptions{})
	a.lock(t)
	if e := a.entry(t); e.LockedUntil.Year() < 9000 {
		t.Errorf("a lock that only an unlock ends is over %v", e.LockedUntil)
	}
}

// A refusal names the rule, and a write that is refused changes nothing.
func TestActiveDirectoryRefusalsNameTheRule(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	refused := func(err error, rule string, count any) {
		t.Helper()
		r, ok := directory.Refused(err)
		if !ok || r.Rule != rule || count != nil && r.Args["count"] != count {
			t.Errorf("%v %v, want %q with %v", err, r, rule, count)
		}
	}
	set := func(pw string) error {
		return a.directory.SetPassword(t.Context(), a.key, pw, directory.SetOptions{})
	}
	change := func(pw string) error {
		return a.directory.ChangePassword(t.Context(), a.key, oldOne, pw, directory.ChangeOptions{})
	}
	for _, write := range []func(string) error{set, change} {
		refused(write("Aa1."), directory.RuleLength, ldaptest.SambaMinLength)
		refused(write("Hijau daun"), directory.RuleComplexity, nil) // a space is no kind of character
		refused(write(strings.Repeat("Aa1.", 65)), "too_long", 256)
		refused(write("Aa1 \x00 hijau daun"), directory.RuleUnreadable, nil)
	}
	refused(change(oldOne), directory.RuleHistory, ldaptest.SambaHistory)
	a.wants(t, oldOne, directory.OK)
	a.s.ReadPolicy(t, a.s.Policy(t, map[string]string{"MinimumPasswordAge": ldaptest.SambaInterval(24 * time.Hour), "MinimumPasswordLength": "14"}, a.dn))
	refused(set("Pendek.1"), directory.RuleLength, 14)
	refused(change(newOne), directory.RuleMinimumAge, nil)
	a.wants(t, oldOne, directory.OK)
	a.s.Age(t, 24*time.Hour, a.dn)
	if err := change(newOne); err != nil {
		t.Errorf("a day later: %v", err)
	}
}

// The checklist on the page is the domain's, or that of the account's own
// password settings object where the service account may read it.
func TestActiveDirectoryTellsItsRulesBeforehand(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	rules := func() string {
		t.Helper()
		told, err := a.directory.(directory.Ruled).Rules(t.Context(), a.key)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(told)
	}
	if got, want := rules(), "[{too_short map[count:8]} {complexity map[count:3]} {contains_name map[]}]"; got != want {
		t.Errorf("the domain: %s, want %s", got, want)
	}
	policy := a.s.Policy(t, map[string]string{"MinimumPasswordLength": "20"}, a.dn)
	if got, want := rules(), "[{too_short map[count:8]} {complexity map[count:3]} {contains_name map[]}]"; got != want {
		t.Errorf("one that may not be read: %s, want %s", got, want)
	}
	a.s.ReadPolicy(t, policy)
	if got, want := rules(), "[{too_short map[count:20]}]"; got != want {
		t.Errorf("the account's own: %s, want %s", got, want)
	}
}

func TestActiveDirectoryGroups(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	inner := a.s.Group(t, a.unit, "Tukang, inti", a.dn)
	middle := a.s.Group(t, a.unit, "Kontraktor", inner)
	a.s.Group(t, a.unit, "Luar (semua)", middle)
	a.s.Join(t, inner, middle) // a circle
	mails := a.s.Group(t, a.unit, "Milis", a.dn)
	a.s.Set(t, mails, "groupType", "2") // for mail alone
	a.s.Group(t, a.unit, "Orang lain")
	got := a.entry(t).Groups
	for _, want := range []string{"Tukang, inti", "Kontraktor", "Luar (semua)", "Milis", "Domain Users", "Users"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing in %q", want, got)
		}
	}
	if slices.Contains(got, "Orang lain") || a.entry(t).Privileged {
		t.Errorf("%q, privileged: %v", got, a.entry(t).Privileged)
	}
}

// The directory's own administrators are known by every way there is into their
// groups, before and after the directory has marked them.
func TestActiveDirectoryProtectsItsAdministrators(t *testing.T) {
	admins := "CN=Domain Admins,CN=Users," + ldaptest.StartSamba(t).BaseDN
	for name, promote := range map[string]func(t *testing.T, a *alain){
		"member":          func(t *testing.T, a *alain) { a.s.Join(t, admins, a.dn) },
		"through a group": func(t *testing.T, a *alain) { a.s.Join(t, admins, a.s.Group(t, a.unit, "Inti", a.dn)) },
		"operators":       func(t *testing.T, a *alain) { a.s.Join(t, "CN=Account Operators,CN=Builtin,"+a.s.BaseDN, a.dn) },
		"marked before":   func(t *testing.T, a *alain) { a.s.Set(t, a.dn, "adminCount", "1") },
	} {
		t.Run(name, func(t *testing.T) {
			a := someone(t, ldaptest.SambaUser{})
			if a.entry(t).Privileged {
				t.Fatal("privileged before")
			}
			promote(t, a)
			if !a.entry(t).Privileged {
				t.Error("not privileged")
			}
		})
	}
}

// Where nothing was delegated, and where AdminSDHolder takes it away, it is the
// rights that are missing and not the password that is bad.
func TestActiveDirectoryRightsThatAreMissing(t *testing.T) {
	s := ldaptest.StartSamba(t)
	unit := s.UnitWithoutRights(t)
	a := &alain{s: s, unit: unit, dn: s.User(t, unit, ldaptest.SambaUser{UserID: "alain@contoso.com", Password: oldOne})}
	a.key, a.directory = s.Key(t, a.dn), open(t, samba(s, unit))
	a.lock(t)
	for name, err := range map[string]error{
		"set":    a.directory.SetPassword(t.Context(), a.key, newOne, directory.SetOptions{}),
		"unlock": a.directory.Unlock(t.Context(), a.key),
		"both":   a.directory.SetPassword(t.Context(), a.key, newOne, directory.SetOptions{Unlock: true}),
	} {
		if !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.wants(t, oldOne, directory.Locked)
}

// Methods stay with the person and not with the name.
func TestActiveDirectoryKeysOutliveNames(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{Name: "Alain Dupont"})
	a.s.Rename(t, a.dn, "Alain Charon", "")
	a.s.Set(t, "CN=Alain Charon,"+a.unit, "mail", "alain.charon@contoso.com")
	deeper := a.s.Deeper(t, a.unit, "Pindah")
	a.s.Rename(t, "CN=Alain Charon,"+a.unit, "Alain Charon", deeper)
	if e := a.entry(t); e.UserID != "alain.charon@contoso.com" || e.Key != a.key {
		t.Errorf("renamed and moved: %+v", e)
	}
	a.set(t, newOne, directory.SetOptions{})
	a.wants(t, newOne, directory.OK)
	a.s.Remove(t, "CN=Alain Charon,"+deeper)
	again := a.s.User(t, a.unit, ldaptest.SambaUser{Name: "Alain Dupont", UserID: "alain@contoso.com", Password: newOne})
	if a.s.Key(t, again) == a.key {
		t.Fatal("a recreated account has the key of the removed one")
	}
	a.wants(t, newOne, directory.Wrong)
	if err := a.directory.SetPassword(t.Context(), a.key, another, directory.SetOptions{}); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("set: %v", err)
	}
}

func TestActiveDirectoryFindsPeopleAndNothingElse(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	look := func(userID string) error {
		_, err := a.directory.LookUp(t.Context(), userID)
		return err
	}
	for i, other := range []map[string]string{
		{"objectClass": "computer", "userAccountControl": "4128"},
		{"objectClass": "contact", "sAMAccountName": "", "userPrincipalName": "", "userAccountControl": ""},
	} {
		userID := fmt.Sprintf("other%d@contoso.com", i)
		a.s.Entry(t, fmt.Sprintf("CN=other%d,%s", i, a.unit), userID, other)
		if err := look(userID); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s is somebody: %v", other["objectClass"], err)
		}
	}
	if err := look("alain@contoso.com"); err != nil {
		t.Fatal(err)
	}
	a.s.User(t, a.unit, ldaptest.SambaUser{Name: "Namesake", UserID: "namesake@contoso.com", Password: oldOne, More: map[string]string{"mail": "alain@contoso.com"}})
	if err := look("alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("one of two was taken: %v", err)
	}
}

// Where the organization's file leaves filter and attributes out, people are known
// by the name that they sign in to Windows with.
func TestActiveDirectoryKnowsPeopleByTheirPrincipalName(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{More: map[string]string{"userPrincipalName": "alain.d@contoso.com", "displayName": "Alain Dupont", "givenName": "Alain", "sn": "Dupont", "preferredLanguage": "id"}})
	c := samba(a.s, a.unit)
	c.UserFilter, c.Attributes = "", org.DirectoryAttributes{}
	d := open(t, c)
	e, err := d.LookUp(t.Context(), "Alain.D@contoso.com")
	if err != nil || e.Key != a.key || e.UserID != "alain.d@contoso.com" || e.DisplayName != "Alain Dupont" || e.GivenName != "Alain" || e.FamilyName != "Dupont" || e.Language != "id" {
		t.Errorf("%+v, %v", e, err)
	}
	for _, other := range []string{"alain@contoso.com", "alain.d", `CONTOSO\alain.d`, "alain.d@contoso.test"} {
		if _, err := d.LookUp(t.Context(), other); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// A person whose card is required has a password that nobody knows.
func TestActiveDirectorySmartCards(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	a.s.Set(t, a.dn, "userAccountControl", fmt.Sprint(512|0x40000))
	if e := a.entry(t); e.Source != directory.External {
		t.Errorf("%+v", e)
	}
	err := a.directory.SetPassword(t.Context(), a.key, newOne, directory.SetOptions{})
	if r, ok := directory.Refused(err); !ok || r.Rule != directory.RuleExternal {
		t.Errorf("set: %v", err)
	}
}

// A connection that is cut or falls silent when the password is set, or the lock
// lifted: it is done and said so, or done when the person tries again.
func TestActiveDirectoryAnswersThatAreLost(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	proxy := ldaptest.StartProxy(t, a.s.URL)
	c := samba(a.s, a.unit)
	c.URLs = []string{proxy.URL}
	trouble := func(do func()) directory.Directory {
		d, begun := hurried(t, c), false
		ldap.BeforeWrite(d, func() {
			if !begun {
				do()
			}
			begun = true
		})
		return d
	}
	for name, step := range map[string]struct {
		begin func()
		pw    string
	}{
		"cut before":     {proxy.Cut, newOne},
		"answer is lost": {func() { proxy.Hold() }, another},
	} {
		a.lockOnce(t, name)
		d := trouble(step.begin)
		o := directory.SetOptions{Unlock: true}
		if err := d.SetPassword(t.Context(), a.key, step.pw, o); err != nil && !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		proxy.Heal()
		proxy.Cut()
		eventually(t, func() bool {
			err := d.SetPassword(t.Context(), a.key, step.pw, o)
			if err != nil && !errors.Is(err, directory.ErrUnavailable) {
				t.Fatalf("%s, trying again: %v", name, err)
			}
			return err == nil
		})
		a.wants(t, step.pw, directory.OK)

		a.lockOnce(t, name+" again")
		d = trouble(step.begin)
		if err := d.Unlock(t.Context(), a.key); err != nil && !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: unlock: %v", name, err)
		}
		proxy.Heal()
		proxy.Cut()
		eventually(t, func() bool { return d.Unlock(t.Context(), a.key) == nil })
		a.wants(t, step.pw, directory.OK)
	}
}

func (a *alain) lockOnce(t *testing.T, tag string) {
	t.Helper()
	for i := range ldaptest.SambaThreshold {
		a.wants(t, fmt.Sprint(tag, i), directory.Wrong)
	}
	if a.entry(t).LockedUntil.IsZero() {
		t.Errorf("%s: not locked", tag)
	}
}

func TestActiveDirectoryConnections(t *testing.T) {
	a := someone(t, ldaptest.SambaUser{})
	c := samba(a.s, a.unit)
	c.URLs, c.StartTLS = []string{a.s.OpenURL}, true
	over := *a
	over.directory = open(t, c)
	over.set(t, newOne, directory.SetOptions{})
	over.wants(t, newOne, directory.OK)

	c = samba(a.s, a.unit)
	c.CAFile = ldaptest.NewAuthority(t).File // somebody else's
	if _, err := open(t, c).Get(t.Context(), a.key); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("a certificate of another authority: %v", err)
	}
	c = samba(a.s, a.unit)
	c.BindPasswordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(c.BindPasswordFile, []byte("Not its passw0rd"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, c).Get(t.Context(), a.key); !errors.Is(err, directory.ErrRights) {
		t.Errorf("a wrong password of the service account: %v", err)
	}
}
