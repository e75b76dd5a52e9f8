package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
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
	SMS            Provider `yaml:"sms"`
	Voice          Provider `yaml:"voice"`
	Breach         Breach   `yaml:"breach"`

	file  string // where it was read from
	lines Document
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

// Provider names a gateway for texts or calls.
type Provider struct {
	Provider string `yaml:"provider"`
}

// Breach names the offline filter of breached passwords.
type Breach struct {
	Filter string `yaml:"filter"`
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
	}
}

// Load reads a node's settings from its file (none when path is empty) and
// from KUNCI_… variables of the environment, which win. Faults holds
// everything that is wrong. Paths in the file are relative to its folder.
func Load(path string, environment []string) (*Config, error) {
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
	faults = append(faults, overlay(reflect.ValueOf(&c).Elem(), "KUNCI", environment)...)
	c.resolve(folder)
	faults = append(faults, c.check()...)
	if len(faults) > 0 {
		return nil, fmt.Errorf("the configuration %s is wrong:\n%w", c.file, faults)
	}
	return &c, nil
}

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
	for _, path := range []*string{&c.Keyset, &c.SMTP.PasswordFile, &c.SMTP.CAFile, &c.TLS.CertFile, &c.TLS.KeyFile} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(folder, *path)
		}
	}
	if path, ok := strings.CutPrefix(c.Database, "sqlite:"); ok && path != "" && !filepath.IsAbs(path) {
		c.Database = "sqlite:" + filepath.Join(folder, path)
	}
}

func (c *Config) check() Faults {
	var faults Faults
	refuse := func(key, text string) {
		faults = append(faults, Fault{Line: c.lines.Line(strings.Split(key, ".")...), Key: key, Text: text})
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		refuse("listen", "expected an address with a port, such as 127.0.0.1:8080")
	}
	if _, _, err := net.SplitHostPort(c.Metrics.Listen); c.Metrics.Listen != "" && err != nil {
		refuse("metrics.listen", "expected an address with a port, such as 127.0.0.1:9090")
	}
	if text := wrongPublicURL(c.PublicURL); text != "" {
		refuse("public_url", text)
	}
	if !strings.HasPrefix(c.Database, "sqlite:") && !strings.HasPrefix(c.Database, "postgres://") && !strings.HasPrefix(c.Database, "postgresql://") {
		refuse("database", "expected sqlite:PATH or postgres://user@host/name")
	}
	for _, proxy := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(proxy); err != nil {
			refuse("trusted_proxies", fmt.Sprintf("%q is no network; write it like 10.0.0.0/8", proxy))
		}
	}
	oneOf := func(key, value string, allowed ...string) {
		for _, a := range allowed {
			if value == a {
				return
			}
		}
		refuse(key, "expected "+strings.Join(allowed, ", "))
	}
	oneOf("smtp.tls", c.SMTP.TLS, "none", "starttls", "tls")
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "text", "json")
	if c.SMTP.Port < 1 || c.SMTP.Port > 65535 {
		refuse("smtp.port", "expected a port, 1 to 65535")
	}
	for key, value := range map[string]string{"sms.provider": c.SMS.Provider, "voice.provider": c.Voice.Provider, "breach.filter": c.Breach.Filter} {
		if value != "" {
			refuse(key, "this version cannot do that yet; leave it empty")
		}
	}
	if (c.TLS.CertFile == "") != (c.TLS.KeyFile == "") {
		refuse("tls", "cert_file and key_file belong together; name both or neither")
	}
	if c.SMTP.PasswordFile != "" {
		data, err := os.ReadFile(c.SMTP.PasswordFile)
		if err != nil {
			refuse("smtp.password_file", "the file with the password cannot be read")
		}
		c.SMTP.Password = strings.TrimRight(string(data), "\r\n")
	}
	return faults
}

// wrongPublicURL says what is wrong with the address people use; empty when
// nothing is. Passkeys and secure cookies need https, except on the machine itself.
func wrongPublicURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.User != nil {
		return "expected the address people open, such as https://reset.contoso.com"
	}
	if (u.Path != "" && u.Path != "/") || u.RawQuery != "" || u.Fragment != "" {
		return "expected an address without a path"
	}
	if u.Scheme == "http" && !Loopback(u.Hostname()) {
		return "expected https: passwords do not travel in clear (http is for localhost only)"
	}
	return ""
}

// Loopback tells whether a host name or address is this machine itself.
func Loopback(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
