package ldap

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/egress"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// Trial is a connection that somebody wants to see tried before it is used.
type Trial struct {
	// The servers, the account, and where and how people are looked for. What is
	// not here, such as the dialect and the attributes, is as the organization has it.
	URLs       []string
	StartTLS   bool
	BindDN     string
	BaseDN     string
	UserFilter string
	// Authorities are certificates (PEM) that the servers' are signed by; empty:
	// those that the organization names.
	Authorities string
	// Password is the account's. Where it is empty, the stored one is used, if it may be.
	Password string
	// Sample is the user ID of somebody to look up; empty: nobody in particular.
	Sample string
}

// Standing is the trial of what an organization has.
func Standing(d org.DirectoryConfig) Trial {
	return Trial{URLs: slices.Clone(d.URLs), StartTLS: d.StartTLS, BindDN: d.BindDN, BaseDN: d.BaseDN, UserFilter: d.UserFilter}
}

// Stored tells whether the stored password may be used: it goes to the servers it
// was stored for, judged by the same authorities, for the same account, and looks
// no further than the organization's people. A form that tries another server
// would otherwise hand the password to whoever runs that one (CWE-522).
func (t Trial) Stored(d org.DirectoryConfig) bool {
	return slices.Equal(t.URLs, d.URLs) && t.StartTLS == d.StartTLS && t.Authorities == "" && t.BindDN == d.BindDN && within(t.BaseDN, d.BaseDN)
}

// within tells whether a name is base or below it.
func within(name, base string) bool {
	if name == base {
		return true
	}
	n, err := ldap.ParseDN(name)
	if err != nil {
		return false
	}
	b, err := ldap.ParseDN(base)
	return err == nil && len(b.RDNs) > 0 && (b.EqualFold(n) || b.AncestorOfFold(n))
}

// typed is what a trial has in the place of what nodes keep in files.
type typed struct {
	password    string
	authorities *x509.CertPool
	// control judges addresses; nil lets every one pass.
	control func(network, address string, c syscall.RawConn) error
}

// Try looks at a connection as Examine does at the organization's, and changes
// nothing. Servers of the organization are reached wherever they are; others only
// at public addresses and in the networks that the organization's file allows.
// Problems: NotFound where the organization has no such directory,
// DirectoryPassword where the stored password may not be used and none was typed;
// config.Faults.
func (s *Service) Try(ctx context.Context, o *org.Organization, t Trial) ([]Finding, error) {
	if o.Directory.Kind != org.LDAP {
		return nil, problem.New(problem.NotFound)
	}
	set := o.Directory
	set.URLs, set.StartTLS, set.BindDN, set.BaseDN, set.UserFilter = t.URLs, t.StartTLS, t.BindDN, t.BaseDN, t.UserFilter
	if faults := set.CheckConnection(); len(faults) > 0 {
		return nil, faults
	}
	own := typed{password: t.Password}
	if t.Authorities != "" {
		own.authorities = x509.NewCertPool()
		if !own.authorities.AppendCertsFromPEM([]byte(t.Authorities)) {
			return nil, config.Faults{{Key: "directory.authorities", Text: "expected certificates as PEM, from -----BEGIN CERTIFICATE----- on"}}
		}
	}
	stored := t.Password == ""
	if stored && !t.Stored(o.Directory) {
		return nil, problem.New(problem.DirectoryPassword).On("bind_password")
	}
	if !stored {
		set.BindPasswordFile = "" // nothing below can find the stored one
	}
	tried := *o
	tried.Directory = set
	d, err := s.build(&tried)
	if err != nil {
		return nil, err
	}
	defer d.pool.close()
	for _, server := range d.pool.servers {
		server.typed = own
		if !server.own(o.Directory) {
			server.typed.control = egress.Guard(o.Directory.Networks()).Safe
		}
	}
	x := &examiner{d: d, org: o, groupsMatter: groupsMatter(o), sample: directory.NormalizeUserID(t.Sample)}
	if stored {
		x.secret()
	}
	return x.all(ctx), nil
}

// usualPorts are those of LDAP and of a global catalog, with TLS and before it.
var usualPorts = []string{"389", "636", "3268", "3269"}

// own tells whether a server is one of the organization's: at the same port, or
// at another where directories usually answer, for another kind of TLS.
func (s *server) own(d org.DirectoryConfig) bool {
	for _, text := range d.URLs {
		u, err := url.Parse(text)
		if err != nil || !strings.EqualFold(u.Hostname(), s.url.Hostname()) {
			continue
		}
		configured := server{url: u}
		_, port, err := net.SplitHostPort(s.address())
		if err == nil && (strings.EqualFold(configured.address(), s.address()) || slices.Contains(usualPorts, port)) {
			return true
		}
	}
	return false
}

// lookUp finds the sample, whom the rest is then judged by.
func (x *examiner) lookUp(ctx context.Context, c *conn) *person {
	p, err := x.d.find(ctx, c, x.d.people.userID(x.sample), x.sample)
	switch {
	case errors.Is(err, directory.ErrNotFound):
		x.bad("sample", "see user_filter and base_dn: it has to find exactly one entry, whose attributes.user_id holds the user ID", "nobody is found by the user ID")
		return nil
	case err != nil:
		x.bad("sample", "see user_filter, and that the service account may search below base_dn", "%v", err)
		return nil
	}
	x.good("sample", "%s is found, in %d groups", strings.TrimSpace(p.UserID), len(p.Groups))
	return &p
}
