package config

import (
	"net"
	"net/url"
	"strings"
)

// Audit says where the audit log goes besides the database.
type Audit struct {
	Syslog Syslog `yaml:"syslog"`
	JSON   Lines  `yaml:"json"`
	OTLP   OTLP   `yaml:"otlp"`
}

// Syslog is a collector that takes RFC 5424; an empty URL: none.
type Syslog struct {
	URL         string `yaml:"url"`     // tls://host:6514, tcp://host:601, udp://host:514
	CAFile      string `yaml:"ca_file"` // certificates of the collector's issuer; empty: the system's
	CertFile    string `yaml:"cert_file"`
	KeyFile     string `yaml:"key_file"`
	Facility    int    `yaml:"facility"`
	Enterprise  int    `yaml:"enterprise"`
	Identifiers bool   `yaml:"identifiers"`
	History     bool   `yaml:"history"`
}

// Lines is a file of JSON lines; an empty File: none, "-": standard output.
type Lines struct {
	File        string `yaml:"file"`
	Identifiers bool   `yaml:"identifiers"`
	History     bool   `yaml:"history"`
}

// OTLP is a collector that takes OpenTelemetry's logs; an empty URL: none.
type OTLP struct {
	URL         string `yaml:"url"`          // the whole address, such as https://otel.contoso.com:4318/v1/logs
	HeadersFile string `yaml:"headers_file"` // "Name: value", one a line: for keys
	CAFile      string `yaml:"ca_file"`
	CertFile    string `yaml:"cert_file"`
	KeyFile     string `yaml:"key_file"`
	Identifiers bool   `yaml:"identifiers"`
	History     bool   `yaml:"history"`

	// Header is what HeadersFile holds.
	Header [][2]string `yaml:"-"`
}

// auditDefaults: facility 13 is "log audit" of RFC 5424; 32473 is the enterprise
// number that RFC 5612 keeps for those who have none of their own.
func auditDefaults() Audit { return Audit{Syslog: Syslog{Facility: 13, Enterprise: 32473}} }

// Target splits the address of a syslog collector; ok is false where it is none.
func (s Syslog) Target() (network, address string, ok bool) {
	u, err := url.Parse(s.URL)
	if err != nil || u.User != nil || u.Fragment != "" || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" || u.Hostname() == "" || u.Port() == "" {
		return "", "", false
	}
	switch u.Scheme {
	case "tls", "tcp", "udp":
		return u.Scheme, u.Host, true
	}
	return "", "", false
}

const inClear = "; or leave identifiers off: what identifies people does not travel in clear"

func (k *checker) audit() {
	a := &k.c.Audit
	if s := a.Syslog; s.URL != "" {
		network, address, ok := s.Target()
		if !ok {
			k.refuse("audit.syslog.url", "expected the collector's address with a port, such as tls://logs.contoso.com:6514 (or tcp://, udp://)")
		}
		if host, _, err := net.SplitHostPort(address); ok && err == nil && network != "tls" && s.Identifiers && !Loopback(host) {
			k.refuse("audit.syslog.url", "expected tls://"+inClear)
		}
		if s.Facility < 0 || s.Facility > 23 {
			k.refuse("audit.syslog.facility", "expected a facility, 0 to 23")
		}
		if s.Enterprise < 1 || s.Enterprise > 4294967295 {
			k.refuse("audit.syslog.enterprise", "expected a private enterprise number, such as 32473")
		}
		k.pair("audit.syslog", s.CertFile, s.KeyFile)
		k.readable("audit.syslog.ca_file", s.CAFile)
	}
	if o := &a.OTLP; o.URL != "" {
		u, err := url.Parse(o.URL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "":
			k.refuse("audit.otlp.url", "expected the collector's whole address, such as https://otel.contoso.com:4318/v1/logs")
		case u.User != nil:
			k.refuse("audit.otlp.url", "a password in an address ends up in logs; use headers_file")
		case u.Scheme == "http" && (o.Identifiers || o.HeadersFile != "") && !Loopback(u.Hostname()):
			k.refuse("audit.otlp.url", "expected https: keys do not travel in clear"+inClear)
		}
		k.pair("audit.otlp", o.CertFile, o.KeyFile)
		k.readable("audit.otlp.ca_file", o.CAFile)
		if data := k.secret("audit.otlp.headers_file", o.HeadersFile); data != "" {
			o.Header = k.headers("audit.otlp.headers_file", strings.Split(data, "\n"))
		}
	}
}

func (k *checker) pair(section, cert, key string) {
	if (cert == "") != (key == "") {
		k.refuse(section, "cert_file and key_file belong together; name both or neither")
	}
	k.readable(section+".cert_file", cert)
	k.readable(section+".key_file", key)
}
