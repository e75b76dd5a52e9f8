package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
)

// Check gives everything that is wrong with the values. It reads the files
// that are named, so that a missing one stops the start and not the first mail.
func (c *Config) Check() Faults {
	k := checker{c: c}
	k.address("listen", c.Listen)
	if c.Metrics.Listen != "" {
		k.address("metrics.listen", c.Metrics.Listen)
	}
	if text := wrongPublicURL(c.PublicURL); text != "" {
		k.refuse("public_url", text)
	}
	if !slices.ContainsFunc([]string{"sqlite:", "postgres://", "postgresql://"}, func(scheme string) bool {
		return strings.HasPrefix(c.Database, scheme) && c.Database != scheme
	}) {
		k.refuse("database", "expected sqlite:PATH or postgres://user@host/name")
	}
	if c.Keyset == "" {
		k.refuse("keyset", "expected the path of the file with the keys")
	}
	for _, proxy := range c.TrustedProxies {
		if _, err := netip.ParsePrefix(proxy); err != nil {
			k.refuse("trusted_proxies", fmt.Sprintf("%q is no network; write it like 10.0.0.0/8", proxy))
		}
	}
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	k.gateway("sms", &c.SMS, false)
	k.gateway("voice", &c.Voice, true)
	k.smtp()
	k.pair("tls", c.TLS.CertFile, c.TLS.KeyFile)
	k.audit()
	for key, days := range map[string]int{"keep.events_days": c.Keep.EventsDays, "keep.requests_days": c.Keep.RequestsDays} {
		if days < 0 || days > 36500 {
			k.refuse(key, "expected a number of days, or 0 for ever")
		}
	}
	k.readable("breach.filter", c.Breach.Filter)
	k.readable("geoip", c.GeoIP)
	k.relatedOrigins()
	return k.faults
}

// checker collects what is wrong, each with the place to mend it.
type checker struct {
	c      *Config
	faults Faults
}

func (k *checker) refuse(key, text string) {
	if variable, ok := k.c.set[key]; ok {
		k.faults = append(k.faults, Fault{Key: variable, Text: text})
		return
	}
	// A key that is missing is missed where the section stands.
	line, path := 0, strings.Split(key, ".")
	for ; line == 0 && len(path) > 0; path = path[:len(path)-1] {
		line = k.c.lines.Line(path...)
	}
	k.faults = append(k.faults, Fault{Line: line, Key: key, Text: text})
}

func (k *checker) address(key, value string) {
	_, port, err := net.SplitHostPort(value)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		k.refuse(key, "expected an address with a port, such as 127.0.0.1:8080")
	}
}

func (k *checker) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		k.refuse(key, "expected "+strings.Join(allowed, ", "))
	}
}

func (k *checker) readable(key, path string) {
	if path == "" {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		k.refuse(key, "the file "+path+" cannot be read")
		return
	}
	_ = f.Close() // nothing was read
}

func (k *checker) smtp() {
	m := &k.c.SMTP
	if m.Host == "" || strings.ContainsAny(m.Host, " /:@") {
		k.refuse("smtp.host", "expected the name of the mail server, such as smtp.contoso.com; the port has a key of its own")
	}
	if m.Port < 1 || m.Port > 65535 {
		k.refuse("smtp.port", "expected a port, 1 to 65535")
	}
	k.oneOf("smtp.tls", m.TLS, "none", "starttls", "tls")
	if _, err := mail.ParseAddress(m.From); err != nil {
		k.refuse("smtp.from", `expected an address such as "Kunci <no-reply@contoso.com>"`)
	}
	k.readable("smtp.ca_file", m.CAFile)
	if m.PasswordFile == "" {
		return
	}
	data, err := os.ReadFile(m.PasswordFile)
	if err != nil {
		k.refuse("smtp.password_file", "the file "+m.PasswordFile+" with the password cannot be read")
	}
	m.Password = strings.TrimRight(string(data), "\r\n")
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

// relatedOrigins refuses what no browser sends as an origin: the comparison is
// letter by letter, so a slash too many would be an origin that never matches.
func (k *checker) relatedOrigins() {
	own, err := url.Parse(k.c.PublicURL)
	if err != nil {
		return // refused already
	}
	for i, text := range k.c.Passkeys.RelatedOrigins {
		refuse := func(why string) { k.refuse("passkeys.related_origins", fmt.Sprintf("%q %s", text, why)) }
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || text != u.Scheme+"://"+u.Host || text != strings.ToLower(text) || u.Scheme != "https" && u.Scheme != "http":
			refuse("is no origin; write it like https://akun.contoso.com, in small letters and without a slash at the end")
		case u.Scheme == "http" && !Loopback(u.Hostname()):
			refuse("has http; passkeys work on https pages alone")
		case strings.Contains(u.Hostname(), "*") || isAddress(u.Hostname()):
			refuse("names no host; each has to be written in full, by name")
		case u.Scheme == "https" && u.Port() == "443" || u.Scheme == "http" && u.Port() == "80":
			refuse("names the usual port; browsers leave that out, so leave it out too")
		case strings.EqualFold(text, own.Scheme+"://"+own.Host):
			refuse("is public_url itself, which needs no naming")
		case slices.Contains(k.c.Passkeys.RelatedOrigins[:i], text):
			refuse("stands twice")
		}
	}
	if len(k.c.Passkeys.RelatedOrigins) > 0 && isAddress(own.Hostname()) {
		k.refuse("passkeys.related_origins", "there are no passkeys at public_url, which has a number for a name: give it a host name first")
	}
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// Loopback tells whether a host name or address is this machine itself.
func Loopback(host string) bool {
	host = strings.ToLower(host)
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}
