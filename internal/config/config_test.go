package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func faultsOf(t *testing.T, err error) Faults {
	t.Helper()
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("the error holds no faults: %v", err)
	}
	return faults
}

// The example of the documentation, key by key.
func TestAWholeFile(t *testing.T) {
	path := write(t, "kunci.yaml", `
listen: 127.0.0.1:9443
public_url: https://reset.contoso.com
database: sqlite:data/kunci.db
keyset: keys/kunci.keyset
trusted_proxies: [10.0.0.0/8, "2001:db8::/32"]
smtp: {host: smtp.contoso.com, port: 587, tls: starttls, username: kunci, password_file: smtp.password, from: "Kunci <no-reply@contoso.com>", ca_file: ""}
sms: {provider: ""}
voice: {provider: ""}
tls: {cert_file: "", key_file: ""}
breach: {filter: ""}
geoip: ""
log: {level: debug, format: json}
metrics: {listen: "127.0.0.1:9090"}
`)
	folder := filepath.Dir(path)
	if err := os.WriteFile(filepath.Join(folder, "smtp.password"), []byte(" s3cret \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.lines, c.set = Document{}, nil
	want := Config{
		Listen: "127.0.0.1:9443", PublicURL: "https://reset.contoso.com",
		Database: "sqlite:" + filepath.Join(folder, "data/kunci.db"), Keyset: filepath.Join(folder, "keys/kunci.keyset"),
		TrustedProxies: []string{"10.0.0.0/8", "2001:db8::/32"},
		SMTP: SMTP{Host: "smtp.contoso.com", Port: 587, TLS: "starttls", Username: "kunci",
			PasswordFile: filepath.Join(folder, "smtp.password"), From: "Kunci <no-reply@contoso.com>", Password: " s3cret "},
		Log: Log{"debug", "json"}, Metrics: Metrics{"127.0.0.1:9090"}, file: path,
		SMS: gatewayDefaults(), Voice: gatewayDefaults(), Audit: auditDefaults(), Keep: Keep{730, 365},
	}
	if !reflect.DeepEqual(*c, want) {
		t.Errorf("got  %+v\nwant %+v", *c, want)
	}
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	path := write(t, "kunci.yaml", `listen: 8080
public_ulr: http://localhost
smtp:
  port: many
  password_file: gone
database: mysql://here
`)
	_, err := Load(path, []string{"KUNCI_LOG_LEVEL=loud", "KUNCI_SMTP_TLS=maybe"})
	var got []string
	for _, f := range faultsOf(t, err) {
		got = append(got, f.Key)
	}
	want := "KUNCI_SMTP_TLS KUNCI_LOG_LEVEL listen public_ulr smtp.port smtp.password_file database"
	if !sameWords(strings.Join(got, " "), want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, sentence := range []string{
		"line 1, listen: expected an address with a port",
		"line 2, public_ulr: this key is unknown; did you mean public_url?",
		"line 4, smtp.port: expected a whole number",
		"line 5, smtp.password_file: the file",
		"KUNCI_LOG_LEVEL: expected debug, info, warn, error",
	} {
		if !strings.Contains(err.Error(), sentence) {
			t.Errorf("it does not say %q:\n%v", sentence, err)
		}
	}
}

func sameWords(a, b string) bool {
	count := make(map[string]int)
	for _, w := range strings.Fields(a) {
		count[w]++
	}
	for _, w := range strings.Fields(b) {
		count[w]--
	}
	for _, n := range count {
		if n != 0 {
			return false
		}
	}
	return true
}

func TestWhatAConfigurationIsRefusedFor(t *testing.T) {
	for _, c := range []struct{ text, key string }{
		{"listen: localhost", "listen"},
		{"listen: \"localhost:99999\"", "listen"},
		{"listen: \"localhost:http-but-wrong\"", "listen"},
		{"metrics: {listen: x}", "metrics.listen"},
		{"public_url: reset.contoso.com", "public_url"},
		{"public_url: http://reset.contoso.com", "public_url"},
		{"public_url: https://reset.contoso.com/path", "public_url"},
		{"public_url: https://a:b@reset.contoso.com", "public_url"},
		{"public_url: \"https://reset.contoso.com?x=1\"", "public_url"},
		{"database: kunci.db", "database"},
		{"database: \"sqlite:\"", "database"},
		{"keyset: \"\"", "keyset"},
		{"trusted_proxies: [10.0.0.1]", "trusted_proxies"},
		{"trusted_proxies: 10.0.0.0/8", "trusted_proxies"},
		{"smtp: {host: \"\"}", "smtp.host"},
		{"smtp: {host: \"smtp.contoso.com:25\"}", "smtp.host"},
		{"smtp: {port: 0}", "smtp.port"},
		{"smtp: {tls: ssl}", "smtp.tls"},
		{"smtp: {from: nobody}", "smtp.from"},
		{"smtp: {ca_file: gone}", "smtp.ca_file"},
		{"smtp: {password: secret}", "smtp.password"},
		{"sms: {provider: smpp}", "sms.provider"},
		{"voice: {provider: twilio}", "voice.account_sid"},
		{"breach: {filter: gone.kbf}", "breach.filter"},
		{"geoip: gone.mmdb", "geoip"},
		{"geoip: {file: places.mmdb}", "geoip"},
		{"passkeys: {related_origins: https://akun.contoso.com}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [akun.contoso.com]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://akun.contoso.com/\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://akun.contoso.com/path\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://Akun.contoso.com\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://akun.contoso.com:443\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"http://akun.contoso.com\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://*.contoso.com\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://a:b@akun.contoso.com\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://192.0.2.7\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://[2001:db8::1]\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"null\"]}", "passkeys.related_origins"},
		{"passkeys: {related_origins: [\"https://a.test\", \"https://a.test\"]}", "passkeys.related_origins"},
		{"public_url: https://reset.test\npasskeys: {related_origins: [\"https://reset.test\"]}", "passkeys.related_origins"},
		{"public_url: https://192.0.2.1\npasskeys: {related_origins: [\"https://reset.test\"]}", "passkeys.related_origins"},
		{"passkeys: {origins: []}", "passkeys.origins"},
		{"keep: {events_days: -1}", "keep.events_days"},
		{"keep: {requests_days: 99999}", "keep.requests_days"},
		{"audit: {syslog: {url: logs.contoso.com}}", "audit.syslog.url"},
		{"audit: {syslog: {url: \"tls://logs.contoso.com\"}}", "audit.syslog.url"},
		{"audit: {syslog: {url: \"tcp://logs.contoso.com:601\", identifiers: true}}", "audit.syslog.url"},
		{"audit: {syslog: {url: \"tls://logs.contoso.com:6514\", facility: 24}}", "audit.syslog.facility"},
		{"audit: {syslog: {url: \"tls://logs.contoso.com:6514\", cert_file: a}}", "audit.syslog"},
		{"audit: {syslog: {url: \"tls://logs.contoso.com:6514\", ca_file: gone}}", "audit.syslog.ca_file"},
		{"audit: {otlp: {url: \"otel.contoso.com:4318\"}}", "audit.otlp.url"},
		{"audit: {otlp: {url: \"http://otel.contoso.com:4318/v1/logs\", identifiers: true}}", "audit.otlp.url"},
		{"audit: {otlp: {url: \"https://a:b@otel.contoso.com/v1/logs\"}}", "audit.otlp.url"},
		{"audit: {otlp: {url: \"https://otel.contoso.com/v1/logs\", headers_file: gone}}", "audit.otlp.headers_file"},
		{"audit: {json: {file: a, identifiers: perhaps}}", "audit.json.identifiers"},
		{"tls: {cert_file: a}", "tls"},
		{"tls: {cert_file: a, key_file: b}", "tls.key_file"},
		{"log: {level: loud}", "log.level"},
		{"log: {format: xml}", "log.format"},
		{"log: verbose", "log"},
		{"listen: a:1\nlisten: b:2", "listen"},
	} {
		_, err := Load(write(t, "kunci.yaml", c.text+"\n"), nil)
		found := false
		for _, f := range faultsOf(t, err) {
			found = found || f.Key == c.key && f.Line > 0
		}
		if !found {
			t.Errorf("%q is not refused for %s: %v", c.text, c.key, err)
		}
	}
}

func TestAddressesThatPeopleOpen(t *testing.T) {
	for _, good := range []string{"https://reset.contoso.com", "https://reset.contoso.com:8443/", "http://localhost:8080", "http://127.0.0.1", "http://[::1]:80", "http://kunci.localhost"} {
		if text := wrongPublicURL(good); text != "" {
			t.Errorf("%s is refused: %s", good, text)
		}
	}
}

// The environment wins over the file and needs none.
func TestTheEnvironment(t *testing.T) {
	entries := []string{
		"KUNCI_LISTEN=127.0.0.1:1", "KUNCI_SMTP_HOST=mail", "KUNCI_SMTP_PORT=2525", "KUNCI_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.0/24",
		"KUNCI_TLS_CERT_FILE=", "KUNCI_CONFIG=elsewhere", "KUNCI_SERVICE_HOST=10.1.2.3", "LISTEN=nowhere", "KUNCI_DATABASE=postgres://kunci@db/kunci",
	}
	c, err := Load("", entries)
	if err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:1" || c.SMTP.Host != "mail" || c.SMTP.Port != 2525 || len(c.TrustedProxies) != 2 ||
		c.TrustedProxies[1] != "192.0.2.0/24" || c.Database != "postgres://kunci@db/kunci" || c.Keyset != "kunci.keyset" {
		t.Errorf("got %+v", c)
	}
	c, err = Load(write(t, "kunci.yaml", "listen: 127.0.0.1:2\nsmtp: {host: other}\n"), entries)
	if err != nil || c.Listen != "127.0.0.1:1" || c.SMTP.Host != "mail" {
		t.Errorf("the file wins: %+v, %v", c, err)
	}
	if _, err := Load("", []string{"KUNCI_SMTP_PORT=x"}); len(faultsOf(t, err)) != 1 {
		t.Errorf("one slip is one fault: %v", err)
	}
}

// Every key of a file has its variable, and the variable reaches the key.
func TestEveryKeyHasAVariable(t *testing.T) {
	var walk func(v reflect.Value, key string)
	walk = func(v reflect.Value, key string) {
		for i := range v.NumField() {
			name := KeyOf(v.Type().Field(i))
			if name == "" {
				continue
			}
			full := strings.TrimPrefix(key+"."+name, ".")
			if v.Field(i).Kind() == reflect.Struct {
				walk(v.Field(i), full)
				continue
			}
			var c Config
			value := "7"
			if v.Field(i).Type() == durationType {
				value = "7s"
			}
			if v.Field(i).Kind() == reflect.Bool {
				value = "true"
			}
			e := newEnvironment([]string{"KUNCI_" + strings.ToUpper(strings.ReplaceAll(full, ".", "_")) + "=" + value})
			e.overlay(reflect.ValueOf(&c).Elem(), "")
			if len(e.used) != 1 || reflect.DeepEqual(c, Config{}) {
				t.Errorf("%s cannot be set in the environment", full)
			}
		}
	}
	walk(reflect.ValueOf(Config{}), "")
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kunci.yaml")
	c := Defaults()
	c.Listen, c.PublicURL, c.Database = "0.0.0.0:80", "https://reset.contoso.com", `postgres://k"u\@db/x`
	c.SMTP.Host, c.SMTP.Port = "smtp.contoso.com", 587
	c.TrustedProxies = []string{"10.0.0.0/8"}
	if err := Write(path, c); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	got, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Listen != c.Listen || got.PublicURL != c.PublicURL || got.Database != c.Database || got.SMTP != c.SMTP ||
		len(got.TrustedProxies) != 1 || got.Keyset != filepath.Join(filepath.Dir(path), "kunci.keyset") {
		t.Errorf("got %+v", got)
	}
	// The file names every key there is, so that nobody has to look them up.
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name := range Fields(reflect.TypeFor[Config]()) {
		if !strings.Contains(string(text), "\n"+name+":") {
			t.Errorf("the written file does not name %s", name)
		}
	}
	if err := Write(path, c); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("overwritten: %v", err)
	}
}

func TestAMissingFileSaysHowToMakeOne(t *testing.T) {
	if _, err := Load("/nowhere/kunci.yaml", nil); err == nil || !strings.Contains(err.Error(), "kunci init --config /nowhere/kunci.yaml") {
		t.Errorf("got %v", err)
	}
	if _, err := Load(write(t, "kunci.yaml", "a: b\n---\nc: d\n"), nil); len(faultsOf(t, err)) != 1 {
		t.Errorf("two documents: %v", err)
	}
	if _, err := Load(write(t, "kunci.yaml", "a: [\n"), nil); err == nil || strings.Contains(err.Error(), "yaml:") {
		t.Errorf("no YAML: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("listen: a:1\nsmtp: {host: b, port: 1}\n")
	f.Add("a: &a [*a]\n---\n- b\n")
	f.Add("!!int x: !!bool [y]\n")
	f.Fuzz(func(t *testing.T, text string) {
		documents, err := Read(strings.NewReader(text))
		if err != nil {
			faultsOf(t, err)
			return
		}
		for _, d := range documents {
			c := Defaults()
			if err := d.Decode(&c); err != nil {
				faultsOf(t, err)
				continue
			}
			written, err := Encode(c)
			if err != nil {
				t.Fatal(err)
			}
			again, err := Read(strings.NewReader(string(written)))
			if err != nil || len(again) != 1 {
				t.Fatalf("what was written cannot be read: %v\n%s", err, written)
			}
			var second Config
			if err := again[0].Decode(&second); err != nil {
				t.Fatalf("%v\n%s", err, written)
			}
			if second.Listen != c.Listen || second.SMTP != c.SMTP {
				t.Errorf("%+v became %+v", c, second)
			}
		}
	})
}

func TestTheClosestKeyIsSuggested(t *testing.T) {
	fields := Fields(reflect.TypeFor[Config]())
	for unknown, want := range map[string]string{
		"smpt": "did you mean smtp?", "listne": "did you mean listen?", "Keyset": "did you mean keyset?",
		"publicurl": "did you mean public_url?", "colour": "there are audit, ",
	} {
		if got := unknownKey(fields, unknown).Text; !strings.HasPrefix(got, "this key is unknown; "+want) {
			t.Errorf("%s: %s, want %s", unknown, got, want)
		}
	}
}

func TestOriginsBesideThePublicAddress(t *testing.T) {
	c, err := Load(write(t, "kunci.yaml", "public_url: https://reset.contoso.com\npasskeys: {related_origins: [\"https://akun.contoso.com\", \"https://kunci.contoso.co.id:8443\"]}\n"), nil)
	if err != nil || len(c.Passkeys.RelatedOrigins) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = Load("", []string{"KUNCI_PASSKEYS_RELATED_ORIGINS=https://akun.contoso.com/"})
	if faults := faultsOf(t, err); len(faults) != 1 || faults[0].Key != "KUNCI_PASSKEYS_RELATED_ORIGINS" {
		t.Errorf("in the environment: %v", err)
	}
}
