package app

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/geoip/geoiptest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/password/breach"
	"kunci.dev/kunci/internal/provider/providertest"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// healthy is an installation with nothing wrong, its mail server included.
func healthy(t *testing.T, kind store.Kind, mail notifytest.Options) *config.Config {
	t.Helper()
	c := config.Defaults()
	c.Keyset = filepath.Join(t.TempDir(), "kunci.keyset")
	keys, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Write(c.Keyset); err != nil {
		t.Fatal(err)
	}
	c.Database = storetest.URL(t, kind)
	server := notifytest.Start(t, mail).Config()
	c.SMTP = config.SMTP{
		Host: server.Host, Port: server.Port, TLS: server.TLS, Username: server.Username, Password: server.Password,
		From: c.SMTP.From, CAFile: server.CAFile,
	}
	now := time.Now()
	c.TLS.CertFile, c.TLS.KeyFile = writeCertificate(t, t.TempDir(), "kunci", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	c.PublicURL = "https://localhost:8443"
	a, err := New(t.Context(), &c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = a.Apply(t.Context(), strings.NewReader("organization: contoso\nname: Contoso\ndomains: [contoso.com]\n"), "")
	if err == nil {
		_, err = a.Checkpoint(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	return &c
}

// wrong gives the names of the checks that failed.
func wrong(checks []Check) (names []string) {
	for _, c := range checks {
		if !c.OK {
			names = append(names, c.Name)
		}
	}
	return names
}

func TestDoctorFindsAHealthyNodeHealthy(t *testing.T) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c := healthy(t, kind, notifytest.Options{TLS: "starttls", Username: "kunci", Password: "right"})
			c.GeoIP = geoiptest.Write(t, filepath.Join(t.TempDir(), "places.mmdb"), geoiptest.Bandung("203.0.113.0/24"))
			checks := Doctor(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
			if names := wrong(checks); names != nil {
				t.Errorf("wrong: %v in %+v", names, checks)
			}
			want := []string{"geoip", "configuration", "keyset", "database", "migrations", "clock", "organizations", "public_url", "passkeys", "certificate", "smtp"}
			for _, name := range want {
				if !strings.Contains(fmt.Sprint(checks), "{"+name+" ") {
					t.Errorf("%s is not looked at", name)
				}
			}
		})
	}
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, c *config.Config)
		want string
	}{
		"a keyset that others read": {func(t *testing.T, c *config.Config) {
			if err := os.Chmod(c.Keyset, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "[keyset]"},
		"a keyset that is gone": {func(_ *testing.T, c *config.Config) { c.Keyset += ".gone" }, "[keyset]"},
		"keys of another database": {func(t *testing.T, c *config.Config) {
			c.Keyset = filepath.Join(t.TempDir(), "other.keyset")
			keys, err := secret.Generate()
			if err != nil {
				t.Fatal(err)
			}
			if err := keys.Write(c.Keyset); err != nil {
				t.Fatal(err)
			}
		}, "[installation]"},
		"a database that is gone": {func(_ *testing.T, c *config.Config) { c.Database += ".gone" }, "[database]"},
		"a database that does not answer": {func(_ *testing.T, c *config.Config) {
			c.Database = "postgres://kunci:hidden-password@127.0.0.1:1/kunci"
		}, "[database]"},
		"an older database": {func(t *testing.T, c *config.Config) {
			c.Database = "sqlite:" + filepath.Join(t.TempDir(), "new.db")
			if err := os.WriteFile(strings.TrimPrefix(c.Database, "sqlite:"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "[migrations]"},
		"a certificate for another host": {func(_ *testing.T, c *config.Config) { c.PublicURL = "https://reset.contoso.com" }, "[certificate]"},
		"a certificate that ends soon": {func(t *testing.T, c *config.Config) {
			c.TLS.CertFile, c.TLS.KeyFile = writeCertificate(t, t.TempDir(), "x", time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour))
		}, "[certificate]"},
		"a certificate that ended": {func(t *testing.T, c *config.Config) {
			c.TLS.CertFile, c.TLS.KeyFile = writeCertificate(t, t.TempDir(), "x", time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
		}, "[certificate]"},
		"a certificate without its key": {func(_ *testing.T, c *config.Config) { c.TLS.KeyFile = c.TLS.CertFile }, "[certificate]"},
		"a filter that is gone": {func(t *testing.T, c *config.Config) {
			c.Breach.Filter = filepath.Join(t.TempDir(), "gone.kbf")
		}, "[breach]"},
		"a filter that is damaged": {func(t *testing.T, c *config.Config) {
			c.Breach.Filter = filepath.Join(t.TempDir(), "pwned.kbf")
			if _, err := breach.Build(c.Breach.Filter, strings.NewReader("password\nletmein\n"), breach.BuildOptions{}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(c.Breach.Filter)
			if err != nil {
				t.Fatal(err)
			}
			data[70] ^= 1 // a fingerprint: only the checksum of its part sees it
			if err := os.WriteFile(c.Breach.Filter, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "[breach]"},
		"a database of places that is gone": {func(t *testing.T, c *config.Config) {
			c.GeoIP = filepath.Join(t.TempDir(), "gone.mmdb")
		}, "[geoip]"},
		"a database of places that is cut off": {func(t *testing.T, c *config.Config) {
			c.GeoIP = geoiptest.Write(t, filepath.Join(t.TempDir(), "places.mmdb"), geoiptest.Bandung("203.0.113.0/24"))
			data, err := os.ReadFile(c.GeoIP)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 24 { // the first nodes of the tree lead nowhere
				data[i] = 0xff
			}
			if err := os.WriteFile(c.GeoIP, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}, "[geoip]"},
		"a mail server that is gone": {func(_ *testing.T, c *config.Config) { c.SMTP.Port = 1 }, "[smtp]"},
		"a wrong mail password":      {func(_ *testing.T, c *config.Config) { c.SMTP.Password = "hidden-password" }, "[smtp]"},
		"an untrusted mail server":   {func(_ *testing.T, c *config.Config) { c.SMTP.CAFile = "" }, "[smtp]"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := healthy(t, store.SQLite, notifytest.Options{TLS: "starttls", Username: "kunci", Password: "right"})
			c.harm(t, broken)
			checks := Doctor(t.Context(), broken, Options{Log: slog.New(slog.DiscardHandler)})
			if got := fmt.Sprint(wrong(checks)); got != c.want {
				t.Errorf("wrong: %s, want %s in %+v", got, c.want, checks)
			}
			for _, check := range checks {
				if check.OK != (check.Mend == "") {
					t.Errorf("%s: whatever is wrong says how to mend it: %+v", check.Name, check)
				}
			}
			if strings.Contains(fmt.Sprint(checks), "hidden-password") {
				t.Error("a password was shown")
			}
		})
	}
}

func TestDoctorSendsNothingAndMakesNothing(t *testing.T) {
	c := healthy(t, store.SQLite, notifytest.Options{})
	c.Database = "sqlite:" + filepath.Join(t.TempDir(), "gone.db")
	Doctor(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
	if _, err := os.Stat(strings.TrimPrefix(c.Database, "sqlite:")); err == nil {
		t.Error("it made a database")
	}
}

// Whether there can be passkeys depends on the address alone, and is said.
func TestDoctorSaysWherePasskeysWork(t *testing.T) {
	for address, want := range map[string]string{
		"https://reset.contoso.com": "bound to reset.contoso.com",
		"http://localhost:8080":     "bound to localhost",
		"http://127.0.0.1:8080":     "public_url has a number",
		"http://reset.contoso.com":  "public_url has http",
	} {
		d := &doctor{c: &config.Config{PublicURL: address}}
		d.passkeys()
		if len(d.checks) != 1 || !d.checks[0].OK || !strings.Contains(d.checks[0].Text, want) {
			t.Errorf("%s: %+v", address, d.checks)
		}
	}
}

// An identity provider is asked for its description and its keys, and what is wrong
// says how to mend it; nothing about it is written down.
func TestDoctorLooksAtTheIdentityProvider(t *testing.T) {
	c := healthy(t, store.SQLite, notifytest.Options{TLS: "starttls", Username: "kunci", Password: "right"})
	op := providertest.Start(t, time.Now)
	a, err := New(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	apply := func(more string) {
		t.Helper()
		file := fmt.Sprintf("organization: contoso\nname: Contoso\ndomains: [contoso.com]\nidentity_provider: {name: Contoso ID, issuer: %q, client_id: kunci, client_secret_file: %q%s}\n", op.URL, op.SecretFile, more)
		if _, err := a.Apply(t.Context(), strings.NewReader(file), ""); err != nil {
			t.Fatal(err)
		}
	}
	const here = ", allowed_networks: [127.0.0.0/8]"
	look := func() (all []Check) {
		t.Helper()
		for _, check := range Doctor(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)}) {
			if strings.HasPrefix(check.Name, "identity provider contoso") {
				all = append(all, check)
			}
			if strings.Contains(check.Text+check.Mend, providertest.ClientSecret) {
				t.Error("the client's secret is shown")
			}
		}
		return all
	}
	apply(here)
	good := look()
	if len(good) != 2 || len(wrong(good)) != 0 || !strings.Contains(good[0].Text, "1 keys") || !strings.Contains(good[0].Text, "https://localhost:8443/signin/provider/contoso") ||
		!strings.Contains(good[1].Text, "https://localhost:8443/signout/provider/contoso") {
		t.Errorf("%+v", good)
	}
	op.Be(providertest.Faults{Description: func(d map[string]any) { delete(d, "end_session_endpoint") }})
	if found := look(); len(found) != 2 || len(wrong(found)) != 0 || !strings.Contains(found[1].Text, "no end_session_endpoint") {
		t.Errorf("without sign-out: %+v", found)
	}
	for mend, harm := range map[string]func(){
		"jwks_uri": func() { op.Be(providertest.Faults{NoKey: true}) },
		"exactly as issuer": func() {
			op.Be(providertest.Faults{Description: func(d map[string]any) { d["issuer"] = "https://login.fabrikam.com" }})
		},
		"may reach it":       func() { op.Be(providertest.Faults{Down: true}) },
		"allowed_networks":   func() { apply("") },
		"client_secret_file": func() { _ = os.WriteFile(op.SecretFile, nil, 0o600) },
	} {
		op.Be(providertest.Faults{})
		harm()
		if found := look(); len(found) != 1 || found[0].OK || !strings.Contains(found[0].Mend, mend) {
			t.Errorf("%s: %+v", mend, found)
		}
		_ = os.WriteFile(op.SecretFile, []byte(providertest.ClientSecret), 0o600)
		apply(here)
	}
	err = a.DB.Read(t.Context(), func(tx *store.Tx) error {
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM provider_state`).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d states were noted, %v", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
