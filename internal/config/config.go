package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
)

// Config is what a node is told. Keys are contracts: they stand in files.
type Config struct {
	Listen         string   `yaml:"listen"`
	PublicURL      string   `yaml:"public_url"`
	Database       string   `yaml:"database"`
	Keyset         string   `yaml:"keyset"`
	TrustedProxies []string `yaml:"trusted_proxies"`
	SMTP           SMTP     `yaml:"smtp"`
	TLS            TLS      `yaml:"tls"`
	Log            Log      `yaml:"log"`
	Metrics        Metrics  `yaml:"metrics"`
	SMS            Gateway  `yaml:"sms"`
	Voice          Gateway  `yaml:"voice"`
	Breach         Breach   `yaml:"breach"`
	GeoIP          string   `yaml:"geoip"` // a MaxMind database of places; empty is none
	Passkeys       Passkeys `yaml:"passkeys"`
	Audit          Audit    `yaml:"audit"`
	Keep           Keep     `yaml:"keep"`

	file  string // where it was read from
	lines Document
	set   map[string]string // keys that the environment set, with its variable
}

// SMTP says how mail leaves.
type SMTP struct {
	Host         string `yaml:"host"`
	Port         int    `yaml:"port"`
	TLS          string `yaml:"tls"` // none | starttls | tls
	Username     string `yaml:"username"`
	PasswordFile string `yaml:"password_file"`
	From         string `yaml:"from"`
	CAFile       string `yaml:"ca_file"`

	// Password is what PasswordFile holds.
	Password string `yaml:"-"`
}

// TLS names the certificate; both empty behind a proxy.
type TLS struct {
	CertFile string `yaml:"cert_file"`
	KeyFile  string `yaml:"key_file"`
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`  // debug | info | warn | error
	Format string `yaml:"format"` // text | json
}

// Metrics has an address of its own; empty is off.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Breach names the offline filter of breached passwords; empty is none.
type Breach struct {
	Filter string `yaml:"filter"`
}

// Passkeys names the other addresses at which the passkeys of public_url work.
type Passkeys struct {
	// RelatedOrigins are origins as browsers write them (WebAuthn Level 3, 5.11).
	RelatedOrigins []string `yaml:"related_origins"`
}

// Keep says for how many days what is kept longest is kept; 0: for ever.
type Keep struct {
	EventsDays   int `yaml:"events_days"`   // what identifies people in events
	RequestsDays int `yaml:"requests_days"` // requests that are done
}

// Defaults are the values of keys that a file does not name.
func Defaults() Config {
	return Config{
		Listen:    "127.0.0.1:8080",
		PublicURL: "http://localhost:8080",
		Database:  "sqlite:kunci.db",
		Keyset:    "kunci.keyset",
		SMTP:      SMTP{Host: "localhost", Port: 25, TLS: "none", From: "Kunci <no-reply@contoso.com>"},
		Log:       Log{Level: "info", Format: "text"},
		SMS:       gatewayDefaults(),
		Voice:     gatewayDefaults(),
		Audit:     auditDefaults(),
		Keep:      Keep{EventsDays: 730, RequestsDays: 365},
	}
}

// Load reads a node's settings from its file (none when path is empty) and
// from KUNCI_… variables of the environment (entries are NAME=value), which win.
// The error wraps Faults with everything that is wrong. Relative paths begin at
// the file's folder, without a file at the working directory.
func Load(path string, entries []string) (*Config, error) {
	c := Defaults()
	var faults Faults
	folder := ""
	if path != "" {
		data, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("the configuration %s is not there; make one with: kunci init --config %s", path, path)
		}
		if err != nil {
			return nil, fmt.Errorf("the configuration cannot be read: %w", err)
		}
		folder, c.file = filepath.Dir(path), path
		if err := c.read(data); err != nil {
			var read Faults
			if !errors.As(err, &read) {
				return nil, err
			}
			faults = append(faults, read...)
		}
	}
	e := newEnvironment(entries)
	e.overlay(reflect.ValueOf(&c).Elem(), "")
	c.set = e.used
	c.resolve(folder)
	faults = append(append(faults, e.faults...), c.Check()...)
	if len(faults) == 0 {
		return &c, nil
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	where := "the configuration"
	if c.file != "" {
		where += " " + c.file
	}
	return nil, fmt.Errorf("%s is wrong:\n%w", where, faults)
}

// File is where the settings were read from; empty when they came from the
// environment alone.
func (c *Config) File() string { return c.file }

func (c *Config) read(data []byte) error {
	documents, err := Read(bytes.NewReader(data))
	if err != nil {
		return err
	}
	switch len(documents) {
	case 0:
		return nil
	case 1:
		c.lines = documents[0]
		return documents[0].Decode(c)
	}
	return Faults{{Text: "expected one document, the file holds several (---)"}}
}

// resolve makes the paths of files independent of the working directory.
func (c *Config) resolve(folder string) {
	for _, path := range []*string{&c.Keyset, &c.SMTP.PasswordFile, &c.SMTP.CAFile, &c.TLS.CertFile, &c.TLS.KeyFile, &c.Breach.Filter, &c.GeoIP,
		&c.SMS.CAFile, &c.SMS.HeadersFile, &c.SMS.SecretFile, &c.SMS.AuthTokenFile,
		&c.Voice.CAFile, &c.Voice.HeadersFile, &c.Voice.SecretFile, &c.Voice.AuthTokenFile,
		&c.Audit.Syslog.CAFile, &c.Audit.Syslog.CertFile, &c.Audit.Syslog.KeyFile, &c.Audit.JSON.File,
		&c.Audit.OTLP.HeadersFile, &c.Audit.OTLP.CAFile, &c.Audit.OTLP.CertFile, &c.Audit.OTLP.KeyFile} {
		if *path != "" && *path != "-" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok && path != "" && !filepath.IsAbs(path) {
		c.Database = "sqlite:" + filepath.Join(folder, path)
	}
}
