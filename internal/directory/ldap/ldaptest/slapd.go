package ldaptest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// What every slapd of a test holds.
const (
	Suffix  = "dc=contoso,dc=com"
	People  = "ou=people," + Suffix
	Groups  = "ou=groups," + Suffix
	Service = "cn=kunci,ou=services," + Suffix
	Policy  = "cn=default,ou=policies," + Suffix
	Name    = "ldap.contoso.test" // in its certificate, beside its address

	root            = "cn=root," + Suffix
	rootPassword    = "root of a test"
	servicePassword = "least rights of a test"
	relax           = "1.3.6.1.4.1.4203.666.5.12"
)

// Rights are the access rules that a service account needs, and no more: what
// docs/directories/openldap.md tells administrators to write.
const Rights = `
access to attrs=userPassword
  by dn.exact="` + Service + `" =ws
  by self =xw
  by anonymous auth
  by * none
access to attrs=pwdAccountLockedTime,pwdReset
  by dn.exact="` + Service + `" write
  by * none
access to *
  by dn.exact="` + Service + `" read
  by self read
  by * none
`

// SlapdOptions say how a slapd differs from the usual one.
type SlapdOptions struct {
	// Policy are attributes of the default password policy that differ.
	Policy map[string]string
	// NoPolicy leaves slapo-ppolicy out.
	NoPolicy bool
	// Rights replace the constant of that name.
	Rights string
	// Database is more configuration of the database, such as "readonly on".
	Database string
	// Quiet hides from clients that an account is locked, as slapd does by default.
	Quiet bool
	// LDIF is loaded before the start: a file of entries below the usual ones.
	LDIF string
}

// Slapd is a running OpenLDAP server.
type Slapd struct {
	URL       string // ldaps://
	StartTLS  string // ldap://, for StartTLS
	Authority *Authority
	// PasswordFile holds the service account's password.
	PasswordFile string

	folder string
	conf   string
	process
	manager
}

// StartSlapd runs a slapd until the test ends.
func StartSlapd(t testing.TB, o SlapdOptions) *Slapd {
	t.Helper()
	binary := findSlapd(t)
	s := &Slapd{Authority: NewAuthority(t), folder: t.TempDir()}
	s.PasswordFile = filepath.Join(s.folder, "password")
	s.conf = filepath.Join(s.folder, "slapd.conf")
	data := filepath.Join(s.folder, "data")
	certificate, key := s.Authority.Issue(t, "127.0.0.1", Name)
	must(t, os.Mkdir(data, 0o700))
	must(t, os.WriteFile(s.PasswordFile, []byte(servicePassword+"\n"), 0o600))
	must(t, os.WriteFile(s.conf, []byte(s.configuration(o, data, certificate, key)), 0o600))
	ldif := filepath.Join(s.folder, "base.ldif")
	must(t, os.WriteFile(ldif, []byte(base(o)), 0o600))
	for _, file := range []string{ldif, o.LDIF} {
		if file == "" {
			continue
		}
		out, err := exec.CommandContext(t.Context(), binary, "-T", "add", "-q", "-f", s.conf, "-l", file).CombinedOutput()
		if err != nil {
			t.Fatalf("slapadd %s: %v\n%s", file, err, out)
		}
	}
	s.listen(t)
	s.Run(t)
	t.Cleanup(s.Kill)
	return s
}

func findSlapd(t testing.TB) string {
	t.Helper()
	for _, path := range []string{"/usr/sbin/slapd", "/usr/lib/openldap/slapd", "/usr/libexec/slapd"} {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	path, err := exec.LookPath("slapd")
	if err != nil {
		t.Fatal("slapd is not installed; run: scripts/parts install")
	}
	return path
}

func (s *Slapd) configuration(o SlapdOptions, data, certificate, key string) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	fmt.Fprintf(&b, "modulepath /usr/lib/ldap\nmoduleload back_mdb\nmoduleload memberof\n")
	fmt.Fprintf(&b, "pidfile %s/pid\nargsfile %[1]s/args\n", s.folder)
	fmt.Fprintf(&b, "TLSCertificateFile %s\nTLSCertificateKeyFile %s\nTLSCACertificateFile %s\n", certificate, key, s.Authority.File)
	if !o.NoPolicy {
		b.WriteString("moduleload ppolicy\n")
	}
	fmt.Fprintf(&b, "database mdb\nsuffix %q\nrootdn %q\nrootpw %q\ndirectory %s\nmaxsize 4294967296\n", Suffix, root, rootPassword, data)
	b.WriteString("dbnosync\nindex objectClass,entryUUID,mail,uid,member,uniqueMember eq\n")
	rights := o.Rights
	if rights == "" {
		rights = Rights
	}
	b.WriteString(rights + o.Database + "\n")
	if !o.NoPolicy {
		fmt.Fprintf(&b, "overlay ppolicy\nppolicy_default %q\nppolicy_hash_cleartext\n", Policy)
		if !o.Quiet {
			b.WriteString("ppolicy_use_lockout\n")
		}
	}
	b.WriteString("overlay memberof\n")
	return b.String()
}

// base are the entries that are always there.
func base(o SlapdOptions) string {
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\no: Contoso\ndc: contoso\n\n", Suffix)
	for _, ou := range []string{"people", "groups", "services", "policies"} {
		fmt.Fprintf(&b, "dn: ou=%s,%s\nobjectClass: organizationalUnit\nou: %[1]s\n\n", ou, Suffix)
	}
	fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: kunci\nuserPassword: %s\n\n", Service, servicePassword)
	if o.NoPolicy {
		return b.String()
	}
	policy := map[string]string{
		"pwdAttribute": "userPassword", "pwdCheckQuality": "2", "pwdMinLength": "8", "pwdInHistory": "2", "pwdLockout": "TRUE",
		"pwdMaxFailure": "5", "pwdLockoutDuration": "60", "pwdFailureCountInterval": "0", "pwdMustChange": "TRUE",
		"pwdAllowUserChange": "TRUE", "pwdSafeModify": "FALSE",
	}
	for name, value := range o.Policy {
		policy[name] = value
	}
	fmt.Fprintf(&b, "dn: %s\nobjectClass: pwdPolicy\nobjectClass: device\ncn: default\n", Policy)
	for name, value := range policy {
		fmt.Fprintf(&b, "%s: %s\n", name, value)
	}
	return b.String()
}

// listen finds two free ports.
func (s *Slapd) listen(t testing.TB) {
	t.Helper()
	s.StartTLS, s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", freePort(t)), fmt.Sprintf("ldaps://127.0.0.1:%d", freePort(t))
	s.manager = manager{
		address: s.StartTLS, dn: root, operational: []string{"*", "+"},
		controls: []ldap.Control{ldap.NewControlString(relax, true, "")},
	}
}

// Run starts the server again after Kill, on the same addresses.
func (s *Slapd) Run(t testing.TB) {
	t.Helper()
	s.run(t, s.URL, []string{filepath.Join(s.folder, "log")}, findSlapd(t), "-d", "0", "-f", s.conf, "-h", s.StartTLS+" "+s.URL)
}

// Config is the server as an organization's directory.
func (s *Slapd) Config() org.DirectoryConfig {
	return org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.OpenLDAP, URLs: []string{s.URL}, BindDN: Service, BindPasswordFile: s.PasswordFile,
		CAFile: s.Authority.File, BaseDN: People, WriteBack: true,
	}
}

// Remove deletes an entry.
func (s *Slapd) Remove(t testing.TB, dn string) {
	t.Helper()
	s.AsRoot(t, func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) })
}

// Named gives the name of the entry with an entryUUID; "" for none.
func (s *Slapd) Named(t testing.TB, uuid string) string {
	t.Helper()
	dn := ""
	s.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(Suffix, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, "(entryUUID="+ldap.EscapeFilter(uuid)+")", []string{"1.1"}, nil))
		if err == nil && len(found.Entries) == 1 {
			dn = found.Entries[0].DN
		}
		return err
	})
	return dn
}

// Advance makes everything that the password policy noted as much older.
func (s *Slapd) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	times := []string{"pwdChangedTime", "pwdAccountLockedTime", "pwdFailureTime", "pwdGraceUseTime"}
	s.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(People, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(|(pwdChangedTime=*)(pwdFailureTime=*))", times, nil))
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			r := ldap.NewModifyRequest(e.DN, []ldap.Control{ldap.NewControlString(relax, true, "")})
			for _, a := range e.Attributes {
				older, err := shift(a.Values, by)
				if err != nil {
					return err
				}
				r.Replace(a.Name, older)
			}
			if err := c.Modify(r); err != nil {
				return fmt.Errorf("%s: %w", e.DN, err)
			}
		}
		return nil
	})
}

func shift(values []string, by time.Duration) ([]string, error) {
	older := slices.Clone(values)
	for i, v := range values {
		if v == "000001010000Z" {
			continue
		}
		layout := "20060102150405Z"
		if strings.Contains(v, ".") {
			layout = "20060102150405.000000Z"
		}
		at, err := time.Parse(layout, v)
		if err != nil {
			return nil, err
		}
		older[i] = at.Add(-by).Format(layout)
	}
	return older, nil
}

// Root is the manager of the database, and a file with its password.
func (s *Slapd) Root(t testing.TB) (dn, file string) {
	t.Helper()
	file = filepath.Join(s.folder, "root-password")
	must(t, os.WriteFile(file, []byte(rootPassword), 0o600))
	return root, file
}
