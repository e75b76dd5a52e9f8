package ldap_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

const storedPassword, typedPassword = "stored in a file", "typed by somebody"

// recorded is an organization whose own server only keeps what reaches it.
func recorded(t *testing.T, networks ...string) (o *org.Organization, own, other *ldaptest.Recorder, authority string) {
	t.Helper()
	a := ldaptest.NewAuthority(t)
	own, other = ldaptest.StartRecorder(t, a), ldaptest.StartRecorder(t, a)
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(storedPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(a.File)
	if err != nil {
		t.Fatal(err)
	}
	return &org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.OpenLDAP, URLs: []string{own.URL}, BindDN: "cn=kunci,dc=contoso", BindPasswordFile: file, CAFile: a.File,
		BaseDN: "ou=people,dc=contoso", WriteBack: true, AllowedNetworks: networks,
	}}, own, other, string(text)
}

func TestTheStoredPasswordGoesNowhereElse(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t *ldap.Trial, other, authority string)
		stored bool // it may be used
	}{
		"as it stands":     {func(*ldap.Trial, string, string) {}, true},
		"another filter":   {func(t *ldap.Trial, _, _ string) { t.UserFilter = "(uid={user_id})" }, true},
		"a base below":     {func(t *ldap.Trial, _, _ string) { t.BaseDN = "ou=staff,OU=people, dc=contoso" }, true},
		"another server":   {func(t *ldap.Trial, other, _ string) { t.URLs = []string{other} }, false},
		"one more server":  {func(t *ldap.Trial, other, _ string) { t.URLs = append(t.URLs, other) }, false},
		"another spelling": {func(t *ldap.Trial, _, _ string) { t.URLs[0] = strings.Replace(t.URLs[0], "ldaps", "LDAPS", 1) }, false},
		"another port":     {func(t *ldap.Trial, _, _ string) { t.URLs = []string{"ldaps://127.0.0.1:1"} }, false},
		"StartTLS": {func(t *ldap.Trial, _, _ string) {
			t.URLs[0], t.StartTLS = strings.Replace(t.URLs[0], "ldaps", "ldap", 1), true
		}, false},
		"a typed authority":       {func(t *ldap.Trial, _, authority string) { t.Authorities = authority }, false},
		"another account":         {func(t *ldap.Trial, _, _ string) { t.BindDN = "cn=admin,dc=contoso" }, false},
		"a base above":            {func(t *ldap.Trial, _, _ string) { t.BaseDN = "dc=contoso" }, false},
		"a base beside":           {func(t *ldap.Trial, _, _ string) { t.BaseDN = "ou=other,dc=contoso" }, false},
		"a base that ends alike":  {func(t *ldap.Trial, _, _ string) { t.BaseDN = "ou=other,dc=x\\,ou=people,dc=contoso" }, false},
		"a base that is no name":  {func(t *ldap.Trial, _, _ string) { t.BaseDN = "=,ou=people,dc=contoso,," }, false},
		"server, TLS and account": {func(t *ldap.Trial, other, _ string) { t.URLs, t.BindDN = []string{other}, "cn=x" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			o, own, other, authority := recorded(t, "127.0.0.0/8")
			trial := ldap.Standing(o.Directory)
			c.change(&trial, other.URL, authority)
			service := ldap.New(ldap.Deps{})
			found, err := service.Try(t.Context(), o, trial)
			if c.stored {
				if err != nil || len(found) == 0 {
					t.Fatalf("found %v, %v", found, err)
				}
				if want := (ldaptest.Bind{DN: o.Directory.BindDN, Password: storedPassword}); !slices.Contains(own.Binds(), want) {
					t.Errorf("the organization's own server saw %v", own.Binds())
				}
			} else if !problem.Has(err, problem.DirectoryPassword) && err == nil {
				t.Errorf("it was tried without a password: %v", found)
			} else if own.Connections()+other.Connections() > 0 {
				t.Error("something was connected to")
			}
			before := len(own.Binds())
			trial.Password = typedPassword
			if _, err := service.Try(t.Context(), o, trial); err != nil && name != "another spelling" {
				t.Fatal(err)
			}
			for _, b := range append(own.Binds()[before:], other.Binds()...) {
				if b.Password != typedPassword {
					t.Errorf("%+v was sent", b)
				}
			}
		})
	}
}

// Where a trial goes to is judged when it connects: the organization's own
// servers may be inside, others only where the file says so.
func TestATrialReachesOnlyWhatItMay(t *testing.T) {
	o, own, other, _ := recorded(t)
	service := ldap.New(ldap.Deps{})
	trial := ldap.Standing(o.Directory)
	trial.URLs, trial.Password = []string{other.URL, own.URL}, typedPassword
	codes := codesOf(t, service, o, trial)
	if codes[other.URL] != "address" || codes[own.URL] != "bind" {
		t.Errorf("found %v", codes)
	}
	if other.Connections() != 0 || len(own.Binds()) == 0 {
		t.Errorf("%d connections inward, and %v at the organization's own", other.Connections(), own.Binds())
	}
	o.Directory.AllowedNetworks = []string{"10.0.0.0/8", "127.0.0.0/8"}
	if codes := codesOf(t, service, o, trial); codes[other.URL] != "bind" || len(other.Binds()) == 0 {
		t.Errorf("in an allowed network: %v", codes)
	}
}

// codesOf gives the first thing that is not well, by server.
func codesOf(t *testing.T, s *ldap.Service, o *org.Organization, trial ldap.Trial) map[string]string {
	t.Helper()
	found, err := s.Try(t.Context(), o, trial)
	if err != nil {
		t.Fatal(err)
	}
	codes := make(map[string]string)
	for _, f := range found {
		if !f.OK && codes[f.Server] == "" {
			codes[f.Server] = f.Code
		}
	}
	return codes
}

func TestATrialLooksSomebodyUp(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: ldaptest.Rights})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	o := &org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: s.Config()}
	service := ldap.New(ldap.Deps{})
	for sample, want := range map[string]string{"Alain@Contoso.com": "", "nobody@contoso.com": "sample", "": "", "*": "sample"} {
		trial := ldap.Standing(o.Directory)
		trial.Sample = sample
		if codes := codesOf(t, service, o, trial); codes[s.URL] != want {
			t.Errorf("%q: %v", sample, codes)
		}
	}
	trial := ldap.Standing(o.Directory)
	trial.Authorities = "no certificate"
	if _, err := service.Try(t.Context(), o, trial); err == nil {
		t.Error("a text that is no certificate")
	}
}

func TestHealthIsWhatTheWorkSaw(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Rights: ldaptest.Rights})
	s.AddPerson(t, "alain@contoso.com", first, nil)
	proxy := ldaptest.StartProxy(t, s.URL)
	config := s.Config()
	config.URLs = []string{proxy.URL}
	o := &org.Organization{ID: "contoso", Slug: "contoso", Version: 1, Directory: config}
	service := ldap.New(ldap.Deps{})
	ldap.Hurry(service)
	t.Cleanup(service.Close)
	health := func() ldap.Health {
		t.Helper()
		state, err := service.State(o)
		if err != nil || len(state.Servers) != 1 || !state.Secret || state.Set.UserFilter == "" {
			t.Fatalf("%+v, %v", state, err)
		}
		return state.Servers[0]
	}
	if h := health(); !h.AnsweredAt.IsZero() || proxy.Connections() != 0 {
		t.Errorf("before anything was asked: %+v, %d connections", h, proxy.Connections())
	}
	d, err := service.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.LookUp(t.Context(), "alain@contoso.com"); err != nil {
		t.Fatal(err)
	}
	if h := health(); h.AnsweredAt.IsZero() || !h.DownSince.IsZero() || !h.Writes || !h.RefusedAt.IsZero() {
		t.Errorf("after an answer: %+v", h)
	}
	proxy.Refuse()
	if _, err := d.LookUp(t.Context(), "alain@contoso.com"); err == nil {
		t.Fatal("it answered")
	}
	if h := health(); h.DownSince.IsZero() || h.AnsweredAt.IsZero() {
		t.Errorf("while it is down: %+v", h)
	}
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("not the password"), 0o600); err != nil {
		t.Fatal(err)
	}
	proxy.Heal()
	o = &org.Organization{ID: "contoso", Slug: "contoso", Version: 2, Directory: config}
	o.Directory.BindPasswordFile = wrong
	if d, err = service.Open(o); err != nil {
		t.Fatal(err)
	}
	if _, err := d.LookUp(t.Context(), "alain@contoso.com"); err == nil {
		t.Fatal("it let a wrong password in")
	}
	if h := health(); h.RefusedAt.IsZero() || h.Refusal != "49 Invalid Credentials" {
		t.Errorf("after a refusal: %+v", h)
	}
}
