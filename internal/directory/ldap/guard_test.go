package ldap_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/domain/domaintest"
	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
)

// A server that the console named is judged at each connection, by where its name
// leads to then; one that the operator's file named is not.
func TestAServerOfTheConsoleIsJudgedWheneverItIsDialled(t *testing.T) {
	o, own, _, _ := recorded(t)
	service := ldap.New(ldap.Deps{})
	t.Cleanup(service.Close)
	lookUp := func(version int64, change func(*org.DirectoryConfig)) error {
		t.Helper()
		now := *o
		now.Version = version
		change(&now.Directory)
		d, err := service.Open(&now)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.LookUp(t.Context(), "alain@contoso.com")
		return err
	}
	named := func(d *org.DirectoryConfig) { d.ConsoleURLs = d.URLs }
	if err := lookUp(2, named); !egress.Refused(err) || own.Connections() != 0 {
		t.Errorf("at a private address: %v, %d connections", err, own.Connections())
	}
	// A name that leads inside, now or after somebody changed where it leads to.
	if err := lookUp(3, func(d *org.DirectoryConfig) {
		d.URLs = []string{strings.Replace(own.URL, "127.0.0.1", "localhost", 1)}
		d.ConsoleURLs = d.URLs
	}); !egress.Refused(err) || own.Connections() != 0 {
		t.Errorf("at a name that leads inside: %v, %d connections", err, own.Connections())
	}
	if err := lookUp(4, func(d *org.DirectoryConfig) { named(d); d.AllowedNetworks = []string{"10.0.0.0/8"} }); !egress.Refused(err) {
		t.Errorf("in another network: %v", err)
	}
	if err := lookUp(5, func(d *org.DirectoryConfig) { named(d); d.AllowedNetworks = []string{"127.0.0.0/8"} }); egress.Refused(err) || own.Connections() == 0 {
		t.Errorf("in an allowed network: %v", err)
	}
	before := own.Connections()
	if err := lookUp(6, func(*org.DirectoryConfig) {}); egress.Refused(err) || own.Connections() == before {
		t.Errorf("a server of the file: %v", err)
	}
}

// A name that led where it may when the connection was tried, and leads inward since
// then, is refused at every new connection: of the pool, of one person's password,
// of the next server (DNS rebinding).
func TestANameOfTheConsoleThatComesToLeadInward(t *testing.T) {
	dns, usual := domaintest.Start(t), net.DefaultResolver
	net.DefaultResolver = dns.Resolver()
	t.Cleanup(func() { net.DefaultResolver = usual })
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	key := keyOf(t, s, s.AddPerson(t, "alain@contoso.com", first, nil))
	again := func(d directory.Directory, cut func()) error {
		cut()
		_, err := d.Get(t.Context(), key)
		return err
	}
	for name, c := range map[string]struct {
		url   string
		other bool // a server of the file stands before it
		dial  func(d directory.Directory, cut func()) error
	}{
		"again":    {s.URL, false, again},
		"StartTLS": {s.StartTLS, false, again},
		"a password": {s.URL, false, func(d directory.Directory, _ func()) error {
			_, err := d.CheckPassword(t.Context(), key, first)
			return err
		}},
		"the next server": {s.URL, true, again},
	} {
		t.Run(name, func(t *testing.T) {
			dns.Lead(ldaptest.Name, [4]byte{127, 0, 0, 1})
			outside := ldaptest.StartProxy(t, c.url)
			inside, err := net.Listen("tcp4", strings.Replace(outside.Address(), "127.0.0.1", "127.0.0.2", 1))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = inside.Close() })
			reached := make(chan struct{}, 16)
			go func() {
				for conn, err := inside.Accept(); err == nil; conn, err = inside.Accept() {
					reached <- struct{}{}
					_ = conn.Close()
				}
			}()
			set := s.Config()
			set.URLs = []string{strings.Replace(outside.URL, "127.0.0.1", ldaptest.Name, 1)}
			set.ConsoleURLs, set.AllowedNetworks, set.StartTLS = set.URLs, []string{"127.0.0.1/32"}, c.url == s.StartTLS
			cut := outside.Cut
			if c.other {
				file := ldaptest.StartProxy(t, s.URL)
				set.URLs, cut = []string{file.URL, set.URLs[0]}, file.Refuse
			}
			d := hurried(t, set)
			if _, err := d.Get(t.Context(), key); err != nil {
				t.Fatalf("where it may lead: %v", err)
			}
			dns.Lead(ldaptest.Name, [4]byte{127, 0, 0, 2})
			if err := c.dial(d, cut); !egress.Refused(err) || !errors.Is(err, directory.ErrUnavailable) {
				t.Errorf("inward: %v", err)
			}
			if len(reached) > 0 {
				t.Errorf("%d connections went inward", len(reached))
			}
		})
	}
}

// What is saved names no file, keeps the operator's networks, and marks what the
// operator's file did not name.
func TestWhatATrialIsSavedAs(t *testing.T) {
	o, own, other, authority := recorded(t, "127.0.0.0/8")
	configured := func(change func(*ldap.Trial)) org.DirectoryConfig {
		t.Helper()
		trial := ldap.Standing(o.Directory)
		change(&trial)
		d, err := trial.Configured(o.Directory)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	kept := configured(func(trial *ldap.Trial) { trial.UserFilter, trial.WriteBack = "(uid={user_id})", false })
	if kept.BindPasswordFile != o.Directory.BindPasswordFile || kept.CAFile != o.Directory.CAFile || kept.BindPassword != "" || kept.ConsoleURLs != nil {
		t.Errorf("another filter: %+v", kept)
	}
	for name, change := range map[string]func(*ldap.Trial){
		"another password": func(trial *ldap.Trial) { trial.Password = typedPassword },
		"another server": func(trial *ldap.Trial) {
			trial.Password, trial.URLs = typedPassword, []string{own.URL, other.URL}
		},
		"another authority": func(trial *ldap.Trial) {
			trial.Password, trial.Authorities = typedPassword, authority+"what is no certificate"
		},
	} {
		d := configured(change)
		if d.BindPasswordFile+d.CAFile != "" || d.BindPassword != org.KeptPassword || !strings.HasPrefix(string(d.CACertificates), "-----BEGIN CERTIFICATE-----") ||
			strings.Contains(string(d.CACertificates), "no certificate") || !slices.Equal(d.AllowedNetworks, o.Directory.AllowedNetworks) {
			t.Errorf("%s: %+v", name, d)
		}
		if marked := slices.Equal(d.ConsoleURLs, []string{other.URL}); marked != (name == "another server") {
			t.Errorf("%s: marked %v", name, d.ConsoleURLs)
		}
	}
	// One that the console named before is the console's for ever.
	again := configured(func(trial *ldap.Trial) { trial.Password, trial.URLs = typedPassword, []string{other.URL} })
	trial := ldap.Standing(again)
	trial.Password, trial.URLs = typedPassword, []string{other.URL, own.URL}
	if d, err := trial.Configured(again); err != nil || !slices.Equal(d.ConsoleURLs, []string{other.URL, own.URL}) {
		t.Errorf("named by the console twice: %+v, %v", d.ConsoleURLs, err)
	}
	bad := ldap.Standing(o.Directory)
	bad.Password, bad.Authorities = typedPassword, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"
	var faults config.Faults
	if _, err := bad.Configured(o.Directory); !errors.As(err, &faults) {
		t.Errorf("a key for a certificate: %v", err)
	}
}

// A trial of a kept password that does not open says so, and connects with nothing.
func TestAKeptPasswordThatDoesNotOpen(t *testing.T) {
	o, own, _, _ := recorded(t)
	o.Directory.BindPasswordFile, o.Directory.BindPassword, o.Kept = "", org.KeptPassword, []byte("no such thing")
	codes := codesOf(t, ldap.New(ldap.Deps{}), o, ldap.Standing(o.Directory))
	if codes[""] != "password-kept" && codes[own.URL] != "password-kept" || len(own.Binds()) != 0 {
		t.Errorf("found %v, and %v was sent", codes, own.Binds())
	}
}
