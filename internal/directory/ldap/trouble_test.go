package ldap_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

const (
	first  = "hijau daun telaga"
	second = "biru langit gunung"
)

// hurried opens a directory whose patience is short.
func hurried(t testing.TB, c org.DirectoryConfig, more ...func(*ldap.Service)) directory.Directory {
	t.Helper()
	service := ldap.New(ldap.Deps{})
	ldap.Hurry(service)
	for _, change := range more {
		change(service)
	}
	t.Cleanup(service.Close)
	d, err := service.Open(&org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: c})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func keyOf(t testing.TB, s *ldaptest.Slapd, dn string) string {
	t.Helper()
	return s.Read(t, dn).GetAttributeValue("entryUUID")
}

func is(t *testing.T, d directory.Directory, key, pw string, want directory.CheckResult) {
	t.Helper()
	got, err := d.CheckPassword(t.Context(), key, pw)
	if err != nil || got != want {
		t.Errorf("%q is %q, %v; want %q", pw, got, err, want)
	}
}

// quick tells whether something took no longer than a person waits without wondering.
func quick(t *testing.T, limit time.Duration, do func()) {
	t.Helper()
	start := time.Now()
	do()
	if took := time.Since(start); took > limit {
		t.Errorf("it took %v, want at most %v", took, limit)
	}
}

func TestADeadServerIsUnavailableAtOnceAndComesBack(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	d := hurried(t, s.Config())
	is(t, d, key, first, directory.OK)
	for name, trouble := range map[string]struct{ begin, end func() }{
		"killed": {s.Kill, func() { s.Run(t) }},
		"paused": {func() { s.Pause(t) }, func() { s.Resume(t) }},
	} {
		trouble.begin()
		quick(t, 5*time.Second, func() {
			if _, err := d.Get(t.Context(), key); !errors.Is(err, directory.ErrUnavailable) {
				t.Errorf("%s: %v", name, err)
			}
		})
		quick(t, 100*time.Millisecond, func() { // nobody waits for what was just seen dead
			for range 50 {
				if _, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrUnavailable) {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		trouble.end()
		eventually(t, func() bool { _, err := d.Get(t.Context(), key); return err == nil })
		is(t, d, key, first, directory.OK)
	}
}

func eventually(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatal("it never happened")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Connections that the server or a firewall closed meanwhile are not the
// person's trouble.
func TestStaleConnectionsAreReplaced(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}
	d := hurried(t, c)
	for range 3 {
		if _, err := d.Get(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if n := proxy.Connections(); n != 1 {
		t.Errorf("three look-ups made %d connections", n)
	}
	proxy.Cut()
	if _, err := d.Get(t.Context(), key); err != nil {
		t.Errorf("after the connection was cut: %v", err)
	}
	proxy.Cut()
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{}); err != nil {
		t.Errorf("a write after the connection was cut: %v", err)
	}
}

func TestTheNextServerTakesOver(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	one, two := ldaptest.StartProxy(t, s.URL), ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{one.URL, two.URL}
	d := hurried(t, c)
	is(t, d, key, first, directory.OK)
	if two.Connections() != 0 {
		t.Error("the second server is used while the first answers")
	}
	one.Refuse()
	is(t, d, key, first, directory.OK)
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{}); err != nil {
		t.Errorf("a write: %v", err)
	}
	if two.Connections() == 0 {
		t.Error("the second server was not used")
	}
	one.Heal()
	before := one.Connections()
	// What was written on the second is read there, although the first is back.
	eventually(t, func() bool {
		_, err := d.LookUp(t.Context(), "alain@contoso.com")
		return err == nil && one.Connections() > before
	})
	before = two.Connections()
	is(t, d, key, second, directory.OK)
	if two.Connections() == before {
		t.Error("a password just set on the second server was looked for on the first")
	}
}

// A replica that takes no writes gives them to the next server.
func TestWritesGoToAServerThatTakesThem(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	uuid := keyOf(t, s, dn)
	ldif := filepath.Join(t.TempDir(), "replica.ldif")
	text := fmt.Sprintf("dn: %s\nobjectClass: inetOrgPerson\nuid: alain\ncn: Alain\nsn: Charon\nmail: alain@contoso.com\nuserPassword: %s\nentryUUID: %s\n", dn, first, uuid)
	if err := os.WriteFile(ldif, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, database := range map[string]string{
		"read-only": "readonly on",
		"referral":  "syncrepl rid=1 provider=ldap://127.0.0.1:1 bindmethod=simple searchbase=\"" + ldaptest.Suffix + "\" retry=\"3600 +\"\nupdateref ldap://127.0.0.1:1",
		"shadow":    "syncrepl rid=1 provider=ldap://127.0.0.1:1 bindmethod=simple searchbase=\"" + ldaptest.Suffix + "\" retry=\"3600 +\"",
	} {
		t.Run(name, func(t *testing.T) {
			replica := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{LDIF: ldif, Database: database})
			trusted := filepath.Join(t.TempDir(), "both.pem")
			join(t, trusted, s.Authority.File, replica.Authority.File)
			c := s.Config()
			c.URLs, c.CAFile = []string{replica.URL, s.URL}, trusted
			d := hurried(t, c)
			is(t, d, uuid, first, directory.OK)
			pw := name + " langit gunung"
			if err := d.SetPassword(t.Context(), uuid, pw, directory.SetOptions{}); err != nil {
				t.Fatal(err)
			}
			is(t, d, uuid, pw, directory.OK)
			c.URLs = []string{replica.URL}
			alone := hurried(t, c)
			if err := alone.SetPassword(t.Context(), uuid, pw, directory.SetOptions{}); !errors.Is(err, directory.ErrRights) {
				t.Errorf("with the replica alone: %v", err)
			}
			if err := d.SetPassword(t.Context(), uuid, first, directory.SetOptions{}); err == nil {
				t.Error("the history was not asked")
			}
			// Where the server that takes writes is down, trying again later helps.
			writer := ldaptest.StartProxy(t, s.URL)
			writer.Refuse()
			c.URLs = []string{writer.URL, replica.URL}
			d = hurried(t, c)
			for range 2 { // seen down by this one, and by one before
				if err := d.SetPassword(t.Context(), uuid, pw, directory.SetOptions{}); !errors.Is(err, directory.ErrUnavailable) {
					t.Errorf("with the writer down: %v", err)
				}
			}
			s.Modify(t, dn, map[string][]string{"userPassword": {first}, "pwdHistory": nil})
		})
	}
}

func join(t *testing.T, into string, files ...string) {
	t.Helper()
	var all []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if err := os.WriteFile(into, all, 0o600); err != nil {
		t.Fatal(err)
	}
}

// The answer to a write is lost. Where the server can be asked again, the write
// was done; where it cannot, trying again with the same password is no "used before".
func TestALostAnswerToAWrite(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}

	d := hurried(t, c)
	ldap.BeforeWrite(d, func() {
		proxy.Hold()
		go func() {
			<-time.After(300 * time.Millisecond)
			proxy.Cut()
			proxy.Heal()
		}()
	})
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
		t.Errorf("a write whose answer was lost on the way: %v", err)
	}
	is(t, d, key, second, directory.OK)

	d = hurried(t, c)
	lost := true
	ldap.BeforeWrite(d, func() {
		if lost {
			proxy.Hold()
		}
	})
	const third = "merah bata jembatan"
	s.Advance(t, time.Hour)
	if err := d.SetPassword(t.Context(), key, third, directory.SetOptions{}); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("nobody can tell, and it says: %v", err)
	}
	lost = false
	proxy.Heal()
	proxy.Cut()
	eventually(t, func() bool {
		err := d.SetPassword(t.Context(), key, third, directory.SetOptions{})
		if err != nil && !errors.Is(err, directory.ErrUnavailable) {
			t.Fatalf("trying again: %v", err)
		}
		return err == nil
	})
	is(t, d, key, third, directory.OK)
	if err := d.SetPassword(t.Context(), key, third, directory.SetOptions{}); err == nil {
		t.Error("the memory of a lost answer outlives it")
	}
}

// A crash or a cut right after the password was set, before the rest was done, is
// no half reset: the rest is done then, or when the person tries again.
func TestWhatIsLeftAfterAPasswordWasSetIsDone(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := s.AddPerson(t, "alain@contoso.com", first, nil)
	key := keyOf(t, s, dn)
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}
	times := 0
	trouble := func(do func()) directory.Directory {
		times = 0
		d := hurried(t, c)
		ldap.AfterWrite(d, func() {
			if times++; times == 1 {
				do()
			}
		})
		return d
	}
	settled := func(d directory.Directory, pw string) {
		t.Helper()
		if s.Read(t, dn).GetAttributeValue("pwdReset") == "TRUE" {
			t.Errorf("%q is set, and another one is asked for", pw)
		}
		is(t, d, key, pw, directory.OK)
		s.Advance(t, time.Hour)
	}

	// Somebody asks for another one in between: there is something left to do.
	demanded := func() { s.Modify(t, dn, map[string][]string{"pwdReset": {"TRUE"}}) }
	d := trouble(func() { demanded(); proxy.Cut() })
	if err := d.SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
		t.Errorf("cut after the password: %v", err)
	}
	settled(d, second)

	const third, fourth = "merah bata jembatan", "kuning pasir pantai"
	for name, c := range map[string]struct {
		pw         string
		begin, end func()
	}{
		"silent": {third, proxy.Hold, func() { proxy.Heal(); proxy.Cut() }},
		"killed": {fourth, s.Kill, func() { s.Run(t) }},
	} {
		d = trouble(func() { demanded(); c.begin() })
		if err := d.SetPassword(t.Context(), key, c.pw, directory.SetOptions{}); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		c.end()
		eventually(t, func() bool {
			err := d.SetPassword(t.Context(), key, c.pw, directory.SetOptions{})
			if err != nil && !errors.Is(err, directory.ErrUnavailable) {
				t.Fatalf("%s, trying again: %v", name, err)
			}
			return err == nil
		})
		settled(d, c.pw)
	}
}

// An unlock that is cut off is repeated by itself or by the person; it is never
// half done.
func TestAnUnlockThatIsCutOff(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}
	for name, trouble := range map[string]func(){"cut": proxy.Cut, "silent": proxy.Hold} {
		d := hurried(t, c)
		for i := range 5 {
			is(t, d, key, fmt.Sprintf("%s %d", name, i), directory.Wrong)
		}
		is(t, d, key, first, directory.Locked)
		begun := false
		ldap.BeforeWrite(d, func() {
			if !begun {
				trouble()
			}
			begun = true
		})
		err := d.Unlock(t.Context(), key)
		if err != nil && !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		proxy.Heal()
		proxy.Cut()
		eventually(t, func() bool { return d.Unlock(t.Context(), key) == nil })
		is(t, d, key, first, directory.OK)
	}
}

// A directory where nothing answers costs its own people seconds and others nothing.
func TestASlowDirectoryKeepsNobodyElse(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	slow := s.Config()
	slow.URLs = []string{proxy.URL}
	service := ldap.New(ldap.Deps{})
	ldap.Hurry(service)
	ldap.Crowd(service, 4, 8)
	t.Cleanup(service.Close)
	bad, err := service.Open(&org.Organization{ID: "slow", Slug: "slow", Version: 1, Directory: slow})
	if err != nil {
		t.Fatal(err)
	}
	good, err := service.Open(&org.Organization{ID: "good", Slug: "good", Version: 1, Directory: s.Config()})
	if err != nil {
		t.Fatal(err)
	}
	proxy.Delay(400 * time.Millisecond)
	var wg sync.WaitGroup
	failed := make(chan error, 100)
	start := time.Now()
	for range 100 {
		wg.Go(func() {
			if _, err := bad.LookUp(context.WithoutCancel(t.Context()), "alain@contoso.com"); err != nil {
				failed <- err
			}
		})
	}
	quick(t, time.Second, func() { is(t, good, key, first, directory.OK) })
	wg.Wait()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a hundred at a slow directory took %v", took)
	}
	close(failed)
	if len(failed) < 80 {
		t.Errorf("only %d of 100 were sent away from a directory that can do four at a time", len(failed))
	}
	for err := range failed {
		if !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("sent away with %v", err)
		}
	}
}

func TestTLSIsNeverGivenUp(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	other := ldaptest.NewAuthority(t)
	work := func(change func(*org.DirectoryConfig)) error {
		c := s.Config()
		change(&c)
		_, err := hurried(t, c).LookUp(t.Context(), "alain@contoso.com")
		return err
	}
	startTLS := func(c *org.DirectoryConfig) { c.URLs, c.StartTLS = []string{s.StartTLS}, true }
	if err := work(startTLS); err != nil {
		t.Errorf("StartTLS: %v", err)
	}
	for name, change := range map[string]func(*org.DirectoryConfig){
		"another authority":               func(c *org.DirectoryConfig) { c.CAFile = other.File },
		"another authority with StartTLS": func(c *org.DirectoryConfig) { startTLS(c); c.CAFile = other.File },
		"the machine's authorities":       func(c *org.DirectoryConfig) { c.CAFile = "" },
		"another name":                    func(c *org.DirectoryConfig) { c.URLs[0] = strings.Replace(c.URLs[0], "127.0.0.1", "localhost", 1) },
		"in the open":                     func(c *org.DirectoryConfig) { c.URLs = []string{s.StartTLS} },
		"TLS where there is none":         func(c *org.DirectoryConfig) { c.URLs = []string{strings.Replace(s.StartTLS, "ldap:", "ldaps:", 1)} },
	} {
		if err := work(change); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*org.DirectoryConfig){
		"no authority file": func(c *org.DirectoryConfig) { c.CAFile += ".gone" },
		"an empty one":      func(c *org.DirectoryConfig) { c.CAFile = s.PasswordFile },
		"no password file":  func(c *org.DirectoryConfig) { c.BindPasswordFile += ".gone" },
		"a wrong password":  func(c *org.DirectoryConfig) { c.BindPasswordFile = s.Authority.File },
		"a wrong name":      func(c *org.DirectoryConfig) { c.BindDN = "cn=nobody," + ldaptest.Suffix },
	} {
		if err := work(change); !errors.Is(err, directory.ErrRights) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A changed configuration opens new connections and closes the old ones.
func TestAChangedConfigurationIsTakenUp(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	service := ldap.New(ldap.Deps{})
	t.Cleanup(service.Close)
	o := &org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: s.Config()}
	before, err := service.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	same := *o
	same.Version = 2
	if d, err := service.Open(&same); err != nil || d != before {
		t.Errorf("the same configuration opened another: %v", err)
	}
	changed := *o
	changed.Version, changed.Directory.BaseDN = 3, ldaptest.Groups
	after, err := service.Open(&changed)
	if err != nil || after == before {
		t.Fatalf("the change was not taken up: %v", err)
	}
	if _, err := after.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrNotFound) {
		t.Errorf("under the new base: %v", err)
	}
	if d, err := service.Open(o); err != nil || d != after {
		t.Errorf("an organization read before the change brought the old one back: %v", err)
	}
	if _, err := before.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrUnavailable) {
		t.Errorf("the old one still connects: %v", err)
	}
}

// A wrong password of the service account is tried once in a while: its own
// failures are counted too, and people's retries must not lock it.
func TestARefusedServiceAccountIsNotLocked(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	c := s.Config()
	c.BindPasswordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(c.BindPasswordFile, []byte("not the one"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := open(t, c)
	for range 20 {
		if _, err := d.LookUp(t.Context(), "alain@contoso.com"); !errors.Is(err, directory.ErrRights) {
			t.Errorf("%v", err)
		}
	}
	if n := len(s.Read(t, ldaptest.Service).GetAttributeValues("pwdFailureTime")); n != 1 {
		t.Errorf("the service account failed %d times", n)
	}
}

// A server on which people cannot sign in any more hands them to the next.
func TestSigningInGoesOnWithTheNextServer(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL, s.URL}
	d := hurried(t, c)
	is(t, d, key, first, directory.OK)
	proxy.RefuseNew()
	is(t, d, key, first, directory.OK)
}

// A server that answers each request just in time still gives nobody an answer in time.
func TestASlowServerIsGivenUp(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	proxy := ldaptest.StartProxy(t, s.URL)
	c := s.Config()
	c.URLs = []string{proxy.URL}
	d := hurried(t, c)
	is(t, d, key, first, directory.OK)
	proxy.Delay(450 * time.Millisecond)
	quick(t, 3*time.Second, func() {
		if _, err := d.CheckPassword(t.Context(), key, first); !errors.Is(err, directory.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	})
}
