package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"text/template"
)

// commented is the file that init writes: every key, what it means, and its value.
var commented = template.Must(template.New("kunci.yaml").Funcs(template.FuncMap{"q": quote}).Parse(`# Settings of a Kunci node. Every key can also be set in the environment:
# smtp.host is KUNCI_SMTP_HOST. Paths are relative to this file's folder.

# Where the node listens.
listen: {{q .Listen}}

# The address people open. Links in mails and the origin of passkeys come from
# here, never from a request.
public_url: {{q .PublicURL}}

# sqlite:PATH for one node, postgres://user@host/name for several.
database: {{q .Database}}

# The keys of this installation, mode 0600. Back it up apart from the database:
# without it, registered addresses and password hashes are lost.
keyset: {{q .Keyset}}

# Networks whose X-Forwarded-For is believed, such as 10.0.0.0/8.
trusted_proxies: [{{range $i, $p := .TrustedProxies}}{{if $i}}, {{end}}{{q $p}}{{end}}]

# How mail leaves. tls is none, starttls (refused when the server has none) or tls.
smtp:
  host: {{q .SMTP.Host}}
  port: {{.SMTP.Port}}
  tls: {{q .SMTP.TLS}}
  username: {{q .SMTP.Username}}
  password_file: {{q .SMTP.PasswordFile}}
  ca_file: {{q .SMTP.CAFile}}            # certificates of the mail server's issuer; empty: the system's
  from: {{q .SMTP.From}}

# The node's own certificate; empty behind a proxy. Read again when it changes.
tls:
  cert_file: {{q .TLS.CertFile}}
  key_file: {{q .TLS.KeyFile}}

# level is debug, info, warn or error; format is text or json.
log:
  level: {{q .Log.Level}}
  format: {{q .Log.Format}}

# Prometheus metrics, on an address of their own; empty is off.
metrics:
  listen: {{q .Metrics.Listen}}

# How texts and calls leave; empty: mobile and office phones are not offered.
# provider is http (any gateway, by a request described here) or twilio; the
# keys of both, with examples, are in docs/operators.md.
sms:
  provider: {{q .SMS.Provider}}
voice:
  provider: {{q .Voice.Provider}}

# The filter that "kunci breach build" makes; empty is none. Opened again when it changes.
breach: {filter: {{q .Breach.Filter}}}

# A database of where internet addresses are (MaxMind format, such as GeoLite2 City);
# messages and approvals then name city and country. Empty is none. Opened again when it changes.
geoip: {{q .GeoIP}}

# Other addresses at which people open this installation and use the same passkeys,
# such as [https://akun.contoso.com]. They stay bound to the host of public_url.
passkeys: {related_origins: [{{range $i, $o := .Passkeys.RelatedOrigins}}{{if $i}}, {{end}}{{q $o}}{{end}}]}

# For how many days what identifies people in events, and requests that are done,
# are kept; 0 is for ever. The log itself stays, and stays provable.
keep: {events_days: {{.Keep.EventsDays}}, requests_days: {{.Keep.RequestsDays}}}

# Where the audit log goes besides the database, event by event; empty: nowhere.
# What identifies people is left out unless identifiers is true. All keys are in
# docs/operators.md.
audit:
  syslog: {url: {{q .Audit.Syslog.URL}}}      # tls://logs.contoso.com:6514
  json: {file: {{q .Audit.JSON.File}}}       # a file of JSON lines, or - for standard output
  otlp: {url: {{q .Audit.OTLP.URL}}}        # https://otel.contoso.com:4318/v1/logs
`))

// quote writes a text so that YAML reads it as exactly this text.
func quote(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// Write makes the commented file with c's values, with mode 0600; it never
// overwrites one.
func Write(path string, c Config) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already and is not overwritten", path)
	}
	if err != nil {
		return fmt.Errorf("the configuration cannot be written: %w", err)
	}
	if err := commented.Execute(file, c); err != nil {
		_ = file.Close()
		return fmt.Errorf("the configuration cannot be written: %w", err)
	}
	return file.Close()
}
