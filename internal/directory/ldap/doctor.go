package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
)

// Finding is one thing that doctor looked at.
type Finding struct {
	Name string // "TLS", "bind", "rights"
	OK   bool
	Text string // what was found
	Mend string // how to mend it; "" when OK
	// Server is empty for what is about no single one.
	Server string
	// Code is one of Codes: the console has a sentence for each.
	Code string
	// Warning tells that a connection can be used all the same.
	Warning bool
	// Setting is Mend where it says what to set in the directory itself.
	Setting string
}

// Key is the catalogues' sentence of a finding; with ".mend" behind it, how to
// mend what is not well.
func (f Finding) Key() string {
	if f.OK {
		return "directory.finding." + f.Code + ".ok"
	}
	return "directory.finding." + f.Code + ".bad"
}

// Codes lists every code of a finding.
var Codes = []string{
	"configuration", "password-file", "password-kept", "connection", "address", "tls", "tls-authority", "tls-name", "tls-invalid", "bind", "base-dn", "base-dn-wide",
	"user-filter", "attributes", "contacts", "own-contacts", "own-contacts-unseen", "sample", "group-filter", "limits", "indexes", "write-back", "server", "password-operation", "password-policy",
	"fine-grained-policy", "history", "locks", "rights", "set-passwords", "see-passwords", "unlock", "ask-for-another-password",
}

// warnings are the codes of what is not well and keeps nobody from using a connection.
var warnings = []string{"base-dn-wide", "contacts", "own-contacts", "indexes", "fine-grained-policy", "history", "locks", "see-passwords", "unlock", "ask-for-another-password"}

// codeOf is the code of what is called so.
func codeOf(name string) string {
	return strings.NewReplacer(" ", "-", "_", "-").Replace(strings.ToLower(name))
}

// certificateNotice is when a server's certificate should have been renewed.
const certificateNotice = 14 * 24 * time.Hour

// Examine looks at an organization's directory as a node uses it, server by
// server, and changes nothing: connection and TLS, the service account, the base,
// both filters, and what the account may write.
func (s *Service) Examine(ctx context.Context, o *org.Organization) []Finding {
	d, err := s.build(o)
	if err != nil {
		return []Finding{{Name: "configuration", Text: err.Error(), Mend: "correct the organization's file and run: kunci org apply", Code: "configuration"}}
	}
	defer d.pool.close()
	x := &examiner{d: d, org: o, groupsMatter: groupsMatter(o)}
	x.secret()
	return x.all(ctx)
}

// groupsMatter tells whether the policy names groups.
func groupsMatter(o *org.Organization) bool {
	return len(o.Policy.Reset.Groups)+len(o.Policy.Reset.ExcludeGroups) > 0
}

// all looks at every server.
func (x *examiner) all(ctx context.Context) []Finding {
	d := x.d
	for _, server := range d.pool.servers {
		x.prefix, x.at = "", server.String()
		if len(d.pool.servers) > 1 {
			x.prefix = server.String() + " "
		}
		x.server(ctx, server)
	}
	return x.found
}

type examiner struct {
	d            *Directory
	org          *org.Organization // nil: what values mean is not looked at
	groupsMatter bool
	sample       string // a user ID to look up; empty: none
	prefix, at   string // the server that is looked at
	found        []Finding
}

func (x *examiner) add(f Finding) {
	if f.Code == "" {
		f.Code = codeOf(f.Name)
	}
	f.Warning = !f.OK && (f.Warning || slices.Contains(warnings, f.Code))
	f.Name, f.Server = x.prefix+f.Name, x.at
	x.found = append(x.found, f)
}

func (x *examiner) good(name, text string, args ...any) {
	x.add(Finding{Name: name, OK: true, Text: fmt.Sprintf(text, args...)})
}

func (x *examiner) bad(name, mend, text string, args ...any) {
	x.add(Finding{Name: name, Text: fmt.Sprintf(text, args...), Mend: mend})
}

// secret looks at the file of the service account's password.
func (x *examiner) secret() {
	if x.d.set.BindPassword != "" {
		if _, err := x.d.pool.servers[0].password(); err != nil {
			x.add(Finding{Name: "password", Text: "the password that is kept here cannot be used", Mend: "type the password of bind_dn again in the console, and see that every node has the same keyset", Code: "password-kept"})
			return
		}
		x.add(Finding{Name: "password", OK: true, Text: "it is kept here, sealed", Code: "password-kept"})
		return
	}
	file := x.d.set.BindPasswordFile
	switch info, err := os.Stat(file); {
	case err != nil:
		x.bad("password file", "put the password of bind_dn into this file on every node, readable by Kunci alone", "%v", err)
	case info.Mode().Perm()&0o077 != 0:
		x.bad("password file", "run: chmod 600 "+file, "others on this machine may read %s", file)
	default:
		x.good("password file", "%s is private", file)
	}
}

func (x *examiner) server(ctx context.Context, s *server) {
	bare, err := s.dial(ctx)
	if err != nil {
		x.unreachable(s, err)
		return
	}
	x.certificate(bare)
	bare.close()
	c, err := s.connect(ctx)
	if err != nil {
		x.bad("bind", "see bind_dn and bind_password_file: the directory must know this account and take its password", "%s cannot sign in: %v", x.d.set.BindDN, err)
		return
	}
	defer c.close()
	x.good("bind", "%s signs in", x.d.set.BindDN)
	base, err := c.read(ctx, x.d.set.BaseDN, "1.1")
	if err != nil || base == nil {
		x.bad("base_dn", "see base_dn, and that the service account may read it and what is below", "%s cannot be found (%v)", x.d.set.BaseDN, said(err))
		return
	}
	p := x.people(ctx, c)
	if x.sample != "" {
		if found := x.lookUp(ctx, c); found != nil {
			p = found
		}
	}
	x.groups(ctx, c, p)
	x.contacts(ctx, c)
	x.lists(ctx, s)
	if p != nil {
		x.indexes(ctx, c, p)
	}
	if !x.d.set.WriteBack {
		x.good("write_back", "it is off: passwords are not set here")
		return
	}
	for _, f := range x.d.dialect.examine(ctx, c, p) {
		f.Setting = f.Mend
		x.add(f)
	}
}

func said(err error) string {
	if err == nil {
		return "no such entry"
	}
	return err.Error()
}

// unreachable tells a server that cannot be reached from one that is not trusted.
func (x *examiner) unreachable(s *server, err error) {
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	bad := func(code, name, mend, text string, args ...any) {
		x.add(Finding{Name: name, Text: fmt.Sprintf(text, args...), Mend: mend, Code: code})
	}
	switch {
	case egress.Refused(err):
		bad("address", "address", "name the network in directory.allowed_networks of the organization's file", "%s is at an address that is not public, and no server of the organization", s)
	case errors.Is(err, directory.ErrRights):
		x.bad("TLS", "put the certificate of the authority that signed the server's into ca_file, on every node", "%v", err)
	case errors.As(err, &authority):
		bad("tls-authority", "TLS", "put the certificate of the authority that signed the server's into ca_file", "the certificate of %s comes from an authority that is not trusted here: %v", s, err)
	case errors.As(err, &name):
		bad("tls-name", "TLS", "use the name in urls that the certificate is for, or get one for this name", "the certificate of %s is for another name: %v", s, err)
	case errors.As(err, &invalid):
		bad("tls-invalid", "TLS", "renew the certificate of the directory server", "the certificate of %s is not valid: %v", s, err)
	default:
		x.bad("connection", "see urls, that the server runs, and that this machine may reach its port", "%s does not answer: %v", s, err)
	}
}

func (x *examiner) certificate(c *conn) {
	state, ok := c.ldap.TLSConnectionState()
	if !ok || len(state.PeerCertificates) == 0 {
		x.bad("TLS", "write ldaps:// or set start_tls: true", "%s speaks without TLS", c.server)
		return
	}
	left := time.Until(state.PeerCertificates[0].NotAfter)
	if left < certificateNotice {
		x.add(Finding{
			Name: "TLS", Code: "tls-invalid", Warning: left > 0, Mend: "renew the certificate of the directory server",
			Text: fmt.Sprintf("the certificate of %s ends on %s", c.server, state.PeerCertificates[0].NotAfter.Format(time.DateOnly)),
		})
		return
	}
	x.good("TLS", "%s, certificate valid until %s", tls.VersionName(state.Version), state.PeerCertificates[0].NotAfter.Format(time.DateOnly))
}

// people looks for anybody whom the user filter finds.
func (x *examiner) people(ctx context.Context, c *conn) *person {
	d, filter := x.d, x.d.people.anyone()
	found, err := c.search(ctx, d.set.BaseDN, ldap.ScopeWholeSubtree, filter, ordinary, d.attributes()...)
	switch {
	case err != nil:
		x.bad("user_filter", "see user_filter, and that the service account may search below base_dn", "%s: %v", filter, err)
		return nil
	case len(found) == 0:
		x.bad("user_filter", "see user_filter and base_dn, and that the service account may read these attributes of people", "%s finds nobody below %s", filter, d.set.BaseDN)
		return nil
	}
	var p person
	for _, e := range found { // one that is put aside is nobody
		if p, err = d.person(ctx, c, e); err == nil {
			x.good("user_filter", "%s finds people, such as %s", filter, p.UserID)
			return &p
		}
	}
	x.bad("attributes", "see attributes.user_id, and that the service account may read it and the server's own attributes", "%s has no key or no user ID that can be read: %v", found[0].DN, err)
	return nil
}

// ordinary is how many people are looked at to find one who is not protected.
const ordinary = 20

// unprotected gives somebody whom rights can be given for: those that the
// directory itself protects take none, and are no proof that they are missing.
// filter leaves most of them out.
func (d *Directory) unprotected(ctx context.Context, c *conn, p *person, filter string) (*person, error) {
	if p == nil || !p.Privileged {
		return p, nil
	}
	others, err := c.search(ctx, d.set.BaseDN, ldap.ScopeWholeSubtree, d.people.and(filter), ordinary, d.attributes()...)
	if err != nil {
		return nil, err
	}
	for _, e := range others {
		if other, err := d.person(ctx, c, e); err == nil && !other.Privileged {
			return &other, nil
		}
	}
	return nil, nil
}

func (x *examiner) groups(ctx context.Context, c *conn, p *person) {
	d := x.d
	if d.set.GroupFilter == "" {
		return
	}
	filter := strings.ReplaceAll(d.set.GroupFilter, org.DNPlace, "*")
	found, err := c.search(ctx, d.groupBase(), ldap.ScopeWholeSubtree, filter, 1, d.set.Attributes.GroupName)
	switch {
	case err != nil:
		x.bad("group_filter", "see group_filter, and that the service account may search for groups", "%s: %v", filter, err)
	case len(found) == 0 && x.groupsMatter:
		x.bad("group_filter", "see group_filter, and that the service account may read groups and their members: the policy names groups", "%s finds no group below %s", filter, d.groupBase())
	case len(found) == 0:
		x.good("group_filter", "it finds no group; the policy names none")
	case text(found[0], d.set.Attributes.GroupName) == "":
		x.bad("group_filter", "see attributes.group_name, and that the service account may read it", "%s has no name that can be read", found[0].DN)
	case p != nil:
		x.good("group_filter", "it finds groups; %s is in %d", p.UserID, len(p.Groups))
	default:
		x.good("group_filter", "it finds groups")
	}
}
