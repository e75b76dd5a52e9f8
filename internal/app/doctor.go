package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Check is one thing a node needs, looked at.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`           // what was found
	Mend string `json:"mend,omitempty"` // how to mend it; empty when OK
}

const (
	// clockTolerance is well below the 30 seconds of an authenticator's step.
	clockTolerance = 2 * time.Second
	// leastDisk is room for a day of a busy installation.
	leastDisk = 512 << 20
	// certificateNotice is when a renewal should have happened.
	certificateNotice = 14 * 24 * time.Hour
	smtpTimeout       = 15 * time.Second
	directoryTimeout  = time.Minute
)

// Doctor looks at everything a node needs and says how to mend what is wrong.
// It changes nothing and sends nothing.
func Doctor(ctx context.Context, c *config.Config, o Options) []Check {
	d := &doctor{c: c, o: o}
	d.good("configuration", "every key is understood")
	d.keyset()
	d.breached()
	d.places()
	d.database(ctx)
	d.publicURL()
	d.passkeys()
	d.certificate()
	d.mail(ctx)
	d.gateway(ctx, "sms", d.c.SMS)
	d.gateway(ctx, "voice", d.c.Voice)
	return d.checks
}

type doctor struct {
	c      *config.Config
	o      Options
	keys   bool
	unsafe bool // the filter of breached passwords or the places are no good: nothing starts with them
	checks []Check
}

func (d *doctor) good(name, text string, args ...any) {
	d.checks = append(d.checks, Check{Name: name, OK: true, Text: fmt.Sprintf(text, args...)})
}

func (d *doctor) bad(name, mend, text string, args ...any) {
	d.checks = append(d.checks, Check{Name: name, Text: fmt.Sprintf(text, args...), Mend: mend})
}

func (d *doctor) keyset() {
	if _, err := secret.Open(d.c.Keyset); err != nil {
		d.bad("keyset", "bring back the keyset from your backup, readable by this user alone (chmod 600)", "%v", err)
		return
	}
	d.keys = true
	d.good("keyset", "%s opens and is private", d.c.Keyset)
}

func (d *doctor) database(ctx context.Context) {
	path := sqlitePath("", d.c.Database)
	if path != "" {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			d.bad("database", "run: kunci migrate"+configFlag(d.c), "%s is not there yet", path)
			return
		}
	}
	db, err := store.Open(ctx, d.c.Database, store.Options{Now: d.o.Now})
	if err != nil {
		d.bad("database", "see that the database runs and that the key database of the configuration is right", "it cannot be opened: %v", err)
		return
	}
	defer func() { _ = db.Close() }() // it was only read
	pending, err := pendingOf(ctx, db)
	switch {
	case err != nil:
		d.bad("database", "see that the user of the database may read its tables", "it cannot be read: %v", err)
		return
	case pending > 0:
		d.good("database", "%s answers", db.Kind())
		d.bad("migrations", "run: kunci migrate"+configFlag(d.c), "%d changes are to be made", pending)
		return
	}
	d.good("database", "%s answers", db.Kind())
	d.good("migrations", "the database is of this version")
	d.clock(ctx, db)
	if path != "" {
		d.disk(filepath.Dir(path))
	}
	d.rooms(ctx)
}

func (d *doctor) clock(ctx context.Context, db *store.DB) {
	if db.Kind() == store.SQLite {
		d.good("clock", "the database has this machine's clock")
		return
	}
	before := time.Now()
	there, err := serverTime(ctx, db)
	if err != nil {
		d.bad("clock", "see that the database answers", "its clock cannot be read: %v", err)
		return
	}
	off := there.Sub(before.Add(time.Since(before) / 2)).Abs()
	if off > clockTolerance {
		d.bad("clock", "synchronize the clocks of this machine and the database's (NTP)", "this machine and the database differ by %v", off.Round(time.Millisecond))
		return
	}
	d.good("clock", "this machine and the database agree within %v", clockTolerance)
}

func (d *doctor) disk(folder string) {
	free, err := freeBytes(folder)
	switch {
	case err != nil:
		d.bad("disk", "see that the folder can be read", "the free room of %s cannot be read: %v", folder, err)
	case free < leastDisk:
		d.bad("disk", "make room on this disk: without it nobody can reset or sign in", "%s has %d MiB left", folder, free>>20)
	default:
		d.good("disk", "%s has %d MiB left", folder, free>>20)
	}
}

// rooms builds the product, which finds keys of another database, and looks
// whether anybody is served.
func (d *doctor) rooms(ctx context.Context) {
	if !d.keys || d.unsafe {
		return // said already
	}
	a, err := New(ctx, d.c, d.o)
	if err != nil {
		d.bad("installation", "bring keyset and database of one installation together", "%v", err)
		return
	}
	defer func() { _ = a.Close() }() // it was only read
	all, err := a.Organizations(ctx)
	switch {
	case err != nil:
		d.bad("organizations", "see that the keyset is the one of this database", "they cannot be read: %v", err)
	case len(all) == 0:
		d.bad("organizations", "describe yours in a file and run: kunci org apply"+configFlag(d.c)+" -f FILE", "there is none yet")
	default:
		d.good("organizations", "%d served", len(all))
	}
	d.streams(ctx, a)
	for _, o := range all {
		if o.Directory.Kind == org.LDAP {
			d.directory(ctx, a, o)
		}
		if o.IdentityProvider.On() {
			d.provider(ctx, a, o)
		}
	}
}

// directory looks at an organization's own directory.
func (d *doctor) directory(ctx context.Context, a *App, o *org.Organization) {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	for _, f := range a.ldap.Examine(ctx, o) {
		d.checks = append(d.checks, Check{Name: "directory " + o.Slug + ": " + f.Name, OK: f.OK, Text: f.Text, Mend: f.Mend})
	}
	d.list(ctx, a, o)
}

// list looks how the list of an organization's directory stands.
func (d *doctor) list(ctx context.Context, a *App, o *org.Organization) {
	name, read := "directory "+o.Slug+": list", "run: kunci org sync"+configFlag(d.c)+" "+o.Slug
	list, err := a.list(ctx, o)
	switch {
	case err != nil:
		d.bad(name, "see that the database answers", "it cannot be read: %v", err)
	case !list.On:
	case list.Failure != "":
		d.bad(name, listMends[list.Failure]+", then "+read, "the last pass failed at %s (%s)", list.FailedAt.Format(time.RFC3339), list.Failure)
	case !list.Listed:
		d.bad(name, "start a node, or "+read, "it was not read yet")
	default:
		d.good(name, "%d people, read at %s", list.Entries, list.Began.Format(time.RFC3339))
	}
}

// listMends is what helps against a failed pass.
var listMends = map[roster.Failure]string{
	roster.Unavailable: "see that a server of the directory answers",
	roster.Rights:      "let the service account read everybody below base_dn, without a limit on lists in pages",
	roster.Nobody:      "see directory.sync.filter, user_filter and what the service account may read",
	roster.Internal:    "see the log of the node",
}

// provider looks at an organization's identity provider.
func (d *doctor) provider(ctx context.Context, a *App, o *org.Organization) {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	name := "identity provider " + o.Slug
	found, err := a.Provider.Check(ctx, o)
	if err != nil {
		d.bad(name, providerMends[provider.Reason(err)], "people cannot sign in there: %v", err)
		return
	}
	d.good(name, "%s describes itself and publishes %d keys; register there the address %s to come back to",
		o.IdentityProvider.Issuer, found.Keys, a.Provider.ReturnURL(o))
	if !found.SignsOut {
		d.good(name+": sign-out", "it has no end_session_endpoint: whoever signs out here is not signed out there, and is told so")
		return
	}
	d.good(name+": sign-out", "offered to whoever signs out here; register there the address %s for after signing out", a.Provider.LeftURL(o))
}

// providerMends is what helps against a provider that cannot be used.
var providerMends = map[string]string{
	provider.NotPublic:    "name its network in identity_provider.allowed_networks, if it is yours",
	provider.TooSlow:      "see that this machine reaches the issuer's address, and that nothing between them is silent",
	provider.Unreachable:  "see identity_provider.issuer, and that this machine may reach it: it has to serve /.well-known/openid-configuration",
	provider.Untrusted:    "name the authority that signed its certificate in identity_provider.ca_file",
	provider.OtherIssuer:  "write identity_provider.issuer exactly as issuer in its own description, to the last slash",
	provider.BadAddresses: "have the provider describe itself with https addresses",
	provider.NoKeys:       "see that jwks_uri of its description answers, with a key for RS, PS or ES signatures or EdDSA",
	provider.BadFile:      "see identity_provider.client_secret_file and ca_file: they have to be readable by this user, and hold something",
}

func (d *doctor) publicURL() {
	u, err := url.Parse(d.c.PublicURL)
	if err != nil {
		d.bad("public_url", "write it like https://reset.contoso.com", "it cannot be read")
		return
	}
	switch {
	case u.Scheme == "http":
		d.good("public_url", "%s, on this machine only", d.c.PublicURL)
	case d.c.TLS.CertFile == "":
		d.good("public_url", "%s; a proxy in front has to end TLS, since this node has no certificate", d.c.PublicURL)
	default:
		d.good("public_url", "%s", d.c.PublicURL)
	}
}

// passkeys says whether there can be any: they are bound to the host name of
// public_url, and browsers keep them for names and secure pages alone. Without
// them everything else works, so this is nothing to mend.
func (d *doctor) passkeys() {
	host, why := challenge.RelyingParty(d.c.PublicURL)
	switch why {
	case "":
		d.good("passkeys", "bound to %s; people would have to register new ones if public_url got another host", host)
		if others := d.c.Passkeys.RelatedOrigins; len(others) > 0 {
			d.good("passkeys", "also at %v, if browsers can read https://%s/.well-known/webauthn", others, host)
		}
	case challenge.AddressIsInsecure:
		d.good("passkeys", "none: browsers keep them for https pages alone, and public_url has http")
	default:
		d.good("passkeys", "none: browsers keep them for host names alone, and public_url has a number")
	}
}

func (d *doctor) certificate() {
	if d.c.TLS.CertFile == "" {
		return
	}
	const mend = "renew the certificate; the node reads it again by itself"
	pair, err := tls.LoadX509KeyPair(d.c.TLS.CertFile, d.c.TLS.KeyFile)
	if err != nil {
		d.bad("certificate", "see tls.cert_file and tls.key_file: they have to belong together", "it cannot be used: %v", err)
		return
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		d.bad("certificate", mend, "it cannot be read: %v", err)
		return
	}
	u, err := url.Parse(d.c.PublicURL)
	now := time.Now()
	switch {
	case err == nil && leaf.VerifyHostname(u.Hostname()) != nil:
		d.bad("certificate", "get one for the host of public_url", "it is not for %s", u.Hostname())
	case now.After(leaf.NotAfter) || now.Before(leaf.NotBefore):
		d.bad("certificate", mend, "it is valid from %s to %s", leaf.NotBefore.Format(time.DateOnly), leaf.NotAfter.Format(time.DateOnly))
	case leaf.NotAfter.Sub(now) < certificateNotice:
		d.bad("certificate", mend, "it ends on %s", leaf.NotAfter.Format(time.DateOnly))
	default:
		d.good("certificate", "valid until %s", leaf.NotAfter.Format(time.DateOnly))
	}
}

// mail holds a conversation up to the point where a message would begin.
func (d *doctor) mail(ctx context.Context) {
	const mend = "see the keys below smtp, and that this machine may reach the mail server"
	sender, err := newSMTP(d.c)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
		defer cancel()
		err = sender.Check(ctx)
	}
	if err != nil {
		d.bad("smtp", mend, "%v", err)
		return
	}
	d.good("smtp", "%s:%d answers, TLS: %s, signed in: %t", d.c.SMTP.Host, d.c.SMTP.Port, d.c.SMTP.TLS, d.c.SMTP.Username != "")
}
