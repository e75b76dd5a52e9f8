package ldap

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// Trial is a connection that somebody wants to see tried before it is used, or saved.
type Trial struct {
	Dialect string
	// The servers, the account, and where and how people are looked for.
	URLs        []string
	StartTLS    bool
	BindDN      string
	BaseDN      string
	UserFilter  string
	GroupFilter string
	Attributes  org.DirectoryAttributes
	WriteBack   bool
	Sync        org.DirectorySync
	// Authorities are certificates (PEM) that the servers' are signed by; empty: those
	// of the file that the organization names, else those that this machine trusts.
	Authorities string
	// Password is the account's. Where it is empty, the stored one is used, if it may be.
	Password string
	// Sample is the user ID of somebody to look up; empty: nobody in particular.
	Sample string
}

// Standing is the trial of what an organization has.
func Standing(d org.DirectoryConfig) Trial {
	if d.Kind != org.LDAP {
		return Trial{WriteBack: true}
	}
	return Trial{
		Dialect: d.Dialect, URLs: slices.Clone(d.URLs), StartTLS: d.StartTLS, BindDN: d.BindDN, BaseDN: d.BaseDN, UserFilter: d.UserFilter,
		GroupFilter: d.GroupFilter, Attributes: d.Attributes, WriteBack: d.WriteBack, Sync: d.Sync, Authorities: string(d.CACertificates),
	}
}

// Stored tells whether the stored password may be used: it goes to the servers it
// was stored for, judged by the same authorities, for the same account, and looks
// no further than the organization's people. A form that tries another server
// would otherwise hand the password to whoever runs that one (CWE-522).
func (t Trial) Stored(d org.DirectoryConfig) bool {
	return d.Kind == org.LDAP && slices.Equal(t.URLs, d.URLs) && t.StartTLS == d.StartTLS && t.certificates() == d.CACertificates &&
		t.BindDN == d.BindDN && within(t.BaseDN, d.BaseDN)
}

// certificates are the typed ones in the form in which they are kept.
func (t Trial) certificates() org.Certificates {
	read, err := org.ReadCertificates([]byte(t.Authorities))
	if err != nil {
		return org.Certificates(t.Authorities) // Configured refuses it
	}
	return read
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

// Configured is the directory of an organization as it would be with the trial. A
// password that was typed takes all names of files with it: nothing below can find
// the stored one, and what the file of authorities holds is kept instead. Networks
// stay what the operator's file says. Problems: DirectoryPassword where the stored
// password may not be used and none was typed; config.Faults.
func (t Trial) Configured(d org.DirectoryConfig) (org.DirectoryConfig, error) {
	set := d
	if d.Kind != org.LDAP {
		set = org.DirectoryConfig{Kind: org.LDAP, AllowedNetworks: d.AllowedNetworks}
	}
	set.Dialect, set.URLs, set.StartTLS, set.BindDN, set.BaseDN = t.Dialect, t.URLs, t.StartTLS, t.BindDN, t.BaseDN
	set.UserFilter, set.GroupFilter, set.Attributes, set.WriteBack, set.Sync = t.UserFilter, t.GroupFilter, t.Attributes, t.WriteBack, t.Sync
	set.ConsoleURLs = nil
	for _, u := range t.URLs {
		if !operators(u, d) {
			set.ConsoleURLs = append(set.ConsoleURLs, u)
		}
	}
	if t.Authorities != "" {
		read, err := org.ReadCertificates([]byte(t.Authorities))
		if err != nil {
			return set, config.Faults{{Key: "directory.authorities", Text: err.Error()}}
		}
		set.CAFile = ""
		set.CACertificates = read
	} else {
		set.CACertificates = ""
	}
	if faults := set.CheckConnection(); len(faults) > 0 {
		return set, faults
	}
	if t.Password == "" {
		if !t.Stored(d) {
			return set, problem.New(problem.DirectoryPassword).On("bind_password")
		}
		return set, nil
	}
	set.BindPasswordFile, set.BindPassword = "", org.KeptPassword
	if set.CAFile != "" {
		text, err := os.ReadFile(set.CAFile)
		if err == nil {
			set.CACertificates, err = org.ReadCertificates(text)
		}
		if err != nil {
			return set, config.Faults{{Key: "directory.authorities", Text: "the organization's own certificates cannot be read on this node"}}
		}
		set.CAFile = ""
	}
	return set, nil
}

// Try looks at a connection as Examine does at the organization's, and changes
// nothing. Servers that the operator's file names are reached wherever they are;
// others only at public addresses and in the networks that the file allows.
// Problems: those of Trial.Configured.
func (s *Service) Try(ctx context.Context, o *org.Organization, t Trial) ([]Finding, error) {
	set, err := t.Configured(o.Directory)
	if err != nil {
		return nil, err
	}
	tried := *o
	tried.Directory = set
	d, err := s.build(&tried)
	if err != nil {
		return nil, err
	}
	defer d.pool.close()
	for _, server := range d.pool.servers {
		server.typed = t.Password
	}
	x := &examiner{d: d, org: o, groupsMatter: groupsMatter(o), sample: directory.NormalizeUserID(t.Sample)}
	if t.Password == "" {
		x.secret()
	}
	return x.all(ctx), nil
}

// usualPorts are those of LDAP and of a global catalog, with TLS and before it.
var usualPorts = []string{"389", "636", "3268", "3269"}

// operators tells whether a server is one that the operator's file named: at the
// same port, or at another where directories usually answer, for another kind of TLS.
func operators(named string, d org.DirectoryConfig) bool {
	address, host := addressOf(named)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	for _, text := range d.URLs {
		at, name := addressOf(text)
		if !slices.Contains(d.ConsoleURLs, text) && strings.EqualFold(name, host) && (strings.EqualFold(at, address) || slices.Contains(usualPorts, port)) {
			return true
		}
	}
	return false
}

func addressOf(named string) (address, host string) {
	u, err := url.Parse(named)
	if err != nil || u.Hostname() == "" {
		return "", ""
	}
	return (&server{url: u}).address(), u.Hostname()
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
