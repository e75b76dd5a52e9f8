package ldap_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// What people type finds one person or nobody, whatever it holds.
func TestNothingTypedIsAFilter(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	odd := map[string]string{ // whole user IDs, however odd
		`o'brien+tag@contoso.com`: "", `"quo,ted"@contoso.com`: "", `back\slash@contoso.com`: "", `star*@contoso.com`: "",
		`par(en)@contoso.com`: "", `a=b,c=d;e@contoso.com`: "", `#hash<>@contoso.com`: "",
	}
	for userID := range odd {
		odd[userID] = keyOf(t, s, s.AddPerson(t, userID, first, nil))
	}
	for name, filter := range map[string]string{
		"the usual": "", "plain": "(mail={user_id})", "nested": "(&(objectClass=person)(|(mail={user_id})(uid={user_id})))",
	} {
		c := s.Config()
		c.UserFilter = filter
		d := open(t, c)
		for _, typed := range []string{
			"*", "a*", "*@contoso.com", "alain*", "al*in@contoso.com", "*)(uid=*))(|(uid=*", `\2a`, `\61lain@contoso.com`, "alain@contoso.com)(objectClass=*",
			"alain@contoso.com)(|(mail=*", "alain@contoso.com\x00", "\xc0\x80", "\xc0\xaa", "(", ")", "&", "|", "!", "=", "alain\n@contoso.com", "{user_id}", "{dn}",
			strings.Repeat("a", 10_000), strings.Repeat("*", 400), "alain", "ALAIN", "\uff41lain@contoso.com", "alain@contoso.com,dc=x",
			"alain\u00ad@contoso.com", "alain\u200b@contoso.com", "\u2070alain@contoso.com",
		} {
			e, err := d.LookUp(t.Context(), typed)
			if !errors.Is(err, directory.ErrNotFound) {
				t.Errorf("%s: %.40q found %q, %v", name, typed, e.UserID, err)
			}
		}
		for userID, key := range odd {
			e, err := d.LookUp(t.Context(), userID)
			if err != nil || e.Key != key || e.UserID != userID {
				t.Errorf("%s: %s: %+v, %v", name, userID, e, err)
			}
			is(t, d, key, first, directory.OK) // its name is escaped in the bind
		}
	}
	d := open(t, s.Config())
	for _, key := range []string{"", "*", "*)(mail=*", "%", strings.Repeat("0", 36), "01890a5d-ac96-774b-bcce-b302099a8057)(mail=*"} {
		if _, err := d.Get(t.Context(), key); !errors.Is(err, directory.ErrNotFound) {
			t.Errorf("key %q: %v", key, err)
		}
	}
}

func TestTwoThatMatchAreNobody(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	s.AddPerson(t, "alain2@contoso.com", first, map[string][]string{"mail": {"alain2@contoso.com", "alain@contoso.com"}})
	d := open(t, s.Config())
	if _, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("one of two was taken: %v", err)
	}
	if e, err := d.LookUp(t.Context(), "alain2@contoso.com"); err != nil || e.UserID != "alain2@contoso.com" {
		t.Errorf("the other address: %+v, %v", e, err)
	}
}

// A renamed and moved entry stays the account; a recreated one is another.
func TestAnAccountIsItsKey(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	key := keyOf(t, s, dn)
	d := open(t, s.Config())
	s.Add(t, "ou=sales,"+ldaptest.People, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"sales"}})
	moved := s.Move(t, dn, "uid=charon", "ou=sales,"+ldaptest.People)
	s.Modify(t, moved, map[string][]string{"mail": {"charon@contoso.com"}, "cn": {"Alain \u202eCharon\u0007"}})
	e, err := d.Get(t.Context(), key)
	if err != nil || e.UserID != "charon@contoso.com" || e.DisplayName != "Alain Charon" {
		t.Errorf("%+v, %v", e, err)
	}
	is(t, d, key, first, directory.OK)
	// Out of the filter or the base is out of the directory.
	s.Modify(t, moved, map[string][]string{"mail": nil})
	if _, err := d.Get(t.Context(), key); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("without a user ID: %v", err)
	}
	is(t, d, key, first, directory.Wrong)
}

func TestGroupsAreFollowedIntoEachOther(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	group := func(name, class, attribute string, members ...string) string {
		g := "cn=" + name + "," + ldaptest.Groups
		s.Add(t, g, map[string][]string{"objectClass": {class}, "cn": {name}, attribute: members})
		return g
	}
	inner := group("inner", "groupOfNames", "member", dn)
	middle := group("middle", "groupOfUniqueNames", "uniqueMember", inner)
	outer := group("outer", "groupOfNames", "member", middle)
	group("stranger", "groupOfNames", "member", ldaptest.Service)
	s.Modify(t, inner, map[string][]string{"member": {dn, outer}}) // a ring
	e, err := open(t, s.Config()).LookUp(t.Context(), "alain@contoso.com")
	if err != nil || !slices.Equal(e.Groups, []string{"inner", "middle", "outer"}) {
		t.Errorf("%v, %v", e.Groups, err)
	}
}

// A server that points somewhere else is not followed: nobody listens to where.
func TestReferralsAreNotFollowed(t *testing.T) {
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = trap.Close() }()
	var caught atomic.Int32
	go func() {
		for {
			c, err := trap.Accept()
			if err != nil {
				return
			}
			caught.Add(1)
			_ = c.Close()
		}
	}()
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	s.Add(t, "ou=away,"+ldaptest.People, map[string][]string{
		"objectClass": {"referral", "extensibleObject"}, "ou": {"away"}, "ref": {"ldap://" + trap.Addr().String() + "/ou=away," + ldaptest.People},
	})
	d := open(t, s.Config())
	if _, err := d.LookUp(t.Context(), "alain@contoso.com"); err != nil {
		t.Errorf("beside a referral: %v", err)
	}
	c := s.Config()
	c.BaseDN = "ou=away," + ldaptest.People
	if _, err := open(t, c).LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("behind a referral: %v", err)
	}
	if caught.Load() != 0 {
		t.Error("a referral was followed")
	}
}

// What slapo-ppolicy says about a bind.
func TestWhatThePolicySaysAtSignIn(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Policy: map[string]string{"pwdMaxAge": "3600", "pwdGraceAuthNLimit": "1"}})
	d := open(t, s.Config())
	add := func(userID string) (string, string) {
		dn := s.AddPerson(t, userID, "", nil)
		key := keyOf(t, s, dn)
		if err := d.SetPassword(t.Context(), key, first, directory.SetOptions{}); err != nil {
			t.Fatal(err)
		}
		return dn, key
	}
	_, old := add("old@contoso.com")
	s.Advance(t, 2*time.Hour)
	is(t, d, old, second, directory.Wrong)
	is(t, d, old, first, directory.Expired) // the last sign-in with it
	is(t, d, old, first, directory.Expired) // and one too many
	is(t, d, old, second, directory.Wrong)
	if err := d.ChangePassword(t.Context(), old, second, "merah bata jembatan", directory.ChangeOptions{}); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("an expired password is changed with a wrong one: %v", err)
	}
	if err := d.ChangePassword(t.Context(), old, first, second, directory.ChangeOptions{}); err != nil {
		t.Errorf("an expired password is not changed: %v", err)
	}
	is(t, d, old, second, directory.OK)

	dn, out := add("out@contoso.com")
	s.Modify(t, dn, map[string][]string{"pwdAccountLockedTime": {"000001010000Z"}})
	if e, err := d.Get(t.Context(), out); err != nil || !e.Disabled {
		t.Errorf("locked by hand: %+v, %v", e, err)
	}
	is(t, d, out, first, directory.Locked)
	for name, err := range map[string]error{
		"set": d.SetPassword(t.Context(), out, second, directory.SetOptions{Unlock: true}), "unlock": d.Unlock(t.Context(), out),
	} {
		if !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s lifts what an administrator locked: %v", name, err)
		}
	}
	is(t, d, out, first, directory.Locked)
}

// A slapd that hides locks from clients still shows them on the entry.
func TestAQuietLock(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Quiet: true})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	d := open(t, s.Config())
	for i := range 5 {
		is(t, d, key, "guess "+string(rune('a'+i)), directory.Wrong)
	}
	is(t, d, key, first, directory.Locked)
	s.Advance(t, time.Minute)
	is(t, d, key, first, directory.OK)
}

// Each rule of the policy is named when it is broken.
func TestRefusalsOfThePolicy(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Policy: map[string]string{"pwdMinAge": "3600"}})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	d := open(t, s.Config())
	s.Advance(t, 2*time.Hour)
	for _, c := range []struct{ pw, rule string }{
		{"short", directory.RuleLength}, {first, directory.RuleHistory}, {second, ""}, {"merah bata jembatan", directory.RuleMinimumAge},
	} {
		err := d.SetPassword(t.Context(), key, c.pw, directory.SetOptions{})
		if r, ok := directory.Refused(err); ok && r.Rule != c.rule || !ok && (err != nil || c.rule != "") {
			t.Errorf("%q: %v, want %q", c.pw, err, c.rule)
		}
	}
	err := d.ChangePassword(t.Context(), key, second, "merah bata jembatan", directory.ChangeOptions{})
	if r, ok := directory.Refused(err); !ok || r.Rule != directory.RuleMinimumAge {
		t.Errorf("a change too soon: %v", err)
	}
	ruled, ok := d.(directory.Ruled)
	if !ok {
		t.Fatal("the directory does not tell its rules")
	}
	rules, err := ruled.Rules(t.Context(), key)
	if err != nil || len(rules) != 2 || rules[0].Name != "too_short" || rules[0].Args["count"] != 8 || rules[1].Args["count"] != 3 {
		t.Errorf("rules: %+v, %v", rules, err)
	}
}

// Rights that are missing are that, and nothing was changed.
func TestMissingRights(t *testing.T) {
	for name, c := range map[string]struct {
		rights string
		does   func(directory.Directory, string) error
	}{
		"to set": {strings.Replace(ldaptest.Rights, "=ws", "search", 1), func(d directory.Directory, key string) error {
			return d.SetPassword(t.Context(), key, second, directory.SetOptions{})
		}},
		"to unlock": {strings.Replace(ldaptest.Rights, `" write`, `" read`, 1), func(d directory.Directory, key string) error {
			return d.Unlock(t.Context(), key)
		}},
		"of the person": {strings.Replace(ldaptest.Rights, "=xw", "=x", 1), func(d directory.Directory, key string) error {
			return d.ChangePassword(t.Context(), key, first, second, directory.ChangeOptions{})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: c.rights})
			key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
			d := open(t, s.Config())
			if err := c.does(d, key); !errors.Is(err, directory.ErrRights) {
				t.Errorf("%v", err)
			}
			is(t, d, key, first, directory.OK)
		})
	}
}

// A password that is set although the rest is refused is set, and what is left is
// said. Here somebody asks for another one in between.
func TestAPasswordIsSetAndTheRestIsRefused(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: strings.Replace(ldaptest.Rights, "pwdAccountLockedTime,pwdReset", "pwdAccountLockedTime", 1)})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	key := keyOf(t, s, dn)
	d := open(t, s.Config())
	ldap.AfterWrite(d, func() { s.Modify(t, dn, map[string][]string{"pwdReset": {"TRUE"}}) })
	err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true})
	if directory.Incomplete(err) != directory.LeftMustChange {
		t.Errorf("%v", err)
	}
	is(t, d, key, second, directory.MustChange)
	is(t, d, key, first, directory.Wrong)
	const third = "merah bata jembatan"
	if err := d.ChangePassword(t.Context(), key, second, third, directory.ChangeOptions{}); err != nil {
		t.Errorf("the change that is asked for: %v", err)
	}
	is(t, d, key, third, directory.OK)
	// A demand that is wanted and may not be made is known before anything is set.
	err = d.SetPassword(t.Context(), key, first, directory.SetOptions{MustChange: true})
	if !errors.Is(err, directory.ErrRights) || directory.Incomplete(err) != "" {
		t.Errorf("%v", err)
	}
	is(t, d, key, third, directory.OK)
}

func TestWithoutWriteBackNothingIsWritten(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	c := s.Config()
	c.WriteBack = false
	d := open(t, c)
	if d.Capabilities() != (directory.Capabilities{}) {
		t.Errorf("capabilities: %+v", d.Capabilities())
	}
	if e, err := d.Get(t.Context(), key); err != nil || e.Source != directory.External {
		t.Errorf("%+v, %v", e, err)
	}
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{}); err == nil {
		t.Error("a password was set")
	}
	if err := d.Unlock(t.Context(), key); err == nil {
		t.Error("an account was unlocked")
	}
	is(t, d, key, first, directory.OK)
}

// Somebody whom nobody knows takes as long as somebody with a wrong password.
func TestUnknownPeopleTakeAsLong(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Policy: map[string]string{"pwdLockout": "FALSE"}})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}
	d := open(t, c)
	proxy.Delay(2 * time.Millisecond)
	took := func(key string) time.Duration {
		var all []time.Duration
		for range 40 {
			start := time.Now()
			is(t, d, key, second, directory.Wrong)
			all = append(all, time.Since(start))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	known := took(key)
	unknown := took("01890a5d-ac96-774b-bcce-b302099a8057")
	if ratio := float64(unknown) / float64(known); ratio < 0.75 || ratio > 1.4 {
		t.Errorf("a wrong password takes %v, somebody unknown %v", known, unknown)
	}
}

func TestADialectThatIsNotSpoken(t *testing.T) {
	_, err := ldap.New(ldap.Deps{}).Open(&org.Organization{ID: "x", Slug: "x", Directory: org.DirectoryConfig{Kind: org.LDAP, Dialect: "edirectory"}})
	if err == nil {
		t.Error("an unknown dialect was opened")
	}
}
