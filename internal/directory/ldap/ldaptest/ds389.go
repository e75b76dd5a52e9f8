package ldaptest

import (
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// What every 389 Directory Server of a test holds, beside the suffix, people and
// groups that a slapd has.
const (
	DS389Service = "uid=kunci,ou=services," + Suffix

	ds389Root    = "cn=Directory Manager"
	ds389Backend = "userRoot"
	// ds389Template and the folders are those of the package 389-ds-base.
	ds389Template = "/usr/share/dirsrv/data/template-dse.ldif"
	ds389Config   = "/etc/dirsrv/config"
)

// DS389Rights are the access rules that a service account needs on 389 Directory
// Server: what docs/directories/389ds.md tells administrators to write.
var DS389Rights = []string{
	`(targetattr!="userPassword || aci")(version 3.0; acl "Kunci reads"; allow (read,search,compare) userdn="ldap:///` + DS389Service + `";)`,
	`(targetattr="userPassword")(version 3.0; acl "Kunci sets passwords"; allow (search,write) userdn="ldap:///` + DS389Service + `";)`,
	`(targetattr="accountUnlockTime || passwordRetryCount || passwordExpirationTime")` +
		`(version 3.0; acl "Kunci unlocks"; allow (write) userdn="ldap:///` + DS389Service + `";)`,
	`(targetattr="userPassword")(version 3.0; acl "people change their own"; allow (write) userdn="ldap:///self";)`,
}

// DS389Options say how a server differs from the usual one.
type DS389Options struct {
	// Policy are attributes of cn=config that differ.
	Policy map[string]string
	// Rights replace DS389Rights.
	Rights []string
	// Schema is more schema, as LDIF.
	Schema string
}

// DS389 is a running 389 Directory Server.
type DS389 struct {
	URL       string // ldaps://
	Authority *Authority
	// PasswordFile holds the service account's password.
	PasswordFile string

	folder string
	process
	manager
}

// StartDS389 runs a 389 Directory Server in a folder of the test until it ends.
func StartDS389(t testing.TB, o DS389Options) *DS389 {
	t.Helper()
	for _, program := range []string{"ns-slapd", "certutil", "pk12util", "openssl"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is not installed; run: scripts/parts install", program)
		}
	}
	s := &DS389{Authority: NewAuthority(t), folder: t.TempDir()}
	s.PasswordFile = filepath.Join(s.folder, "password")
	must(t, os.WriteFile(s.PasswordFile, []byte(servicePassword+"\n"), 0o600))
	for _, name := range []string{"etc/schema", "db", "log", "ldif", "bak", "run", "lock", "home", "tmp"} {
		must(t, os.MkdirAll(s.in(name), 0o700))
	}
	for from, to := range map[string]string{
		ds389Config + "/slapd-collations.conf": "etc/slapd-collations.conf", ds389Config + "/certmap.conf": "etc/certmap.conf",
		"/etc/dirsrv/schema/99user.ldif": "etc/schema/99user.ldif",
	} {
		text, err := os.ReadFile(from)
		must(t, err)
		must(t, os.WriteFile(s.in(to), text, 0o600))
	}
	if o.Schema != "" {
		must(t, os.WriteFile(s.in("etc/schema/90test.ldif"), []byte(o.Schema), 0o600))
	}
	s.certificates(t)
	s.configure(t, freePort(t), freePort(t))
	s.Run(t)
	t.Cleanup(s.Kill)
	s.fill(t, o)
	return s
}

func (s *DS389) in(name string) string { return filepath.Join(s.folder, name) }

// certificates puts the server's certificate into the database that NSS reads.
func (s *DS389) certificates(t testing.TB) {
	t.Helper()
	certificate, key := s.Authority.Issue(t, "127.0.0.1")
	empty, both := s.in("empty"), s.in("server.p12")
	must(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for _, run := range [][]string{
		{"certutil", "-N", "-d", "sql:" + s.in("etc"), "-f", empty},
		{"certutil", "-A", "-d", "sql:" + s.in("etc"), "-f", empty, "-n", "CA", "-t", "CT,,", "-i", s.Authority.File},
		{"openssl", "pkcs12", "-export", "-in", certificate, "-inkey", key, "-name", "Server-Cert", "-passout", "pass:", "-out", both},
		{"pk12util", "-i", both, "-d", "sql:" + s.in("etc"), "-k", empty, "-w", empty},
	} {
		if out, err := exec.CommandContext(t.Context(), run[0], run[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(run, " "), err, out)
		}
	}
}

// configure fills in the package's own template, as its installer does.
func (s *DS389) configure(t testing.TB, plain, secured int) {
	t.Helper()
	template, err := os.ReadFile(ds389Template)
	must(t, err)
	s.URL = fmt.Sprintf("ldaps://127.0.0.1:%d", secured)
	s.manager = manager{address: fmt.Sprintf("ldap://127.0.0.1:%d", plain), dn: ds389Root, operational: ds389Operational}
	me, err := user.Current()
	must(t, err)
	salt := make([]byte, 8)
	_, _ = rand.Read(salt) // it never fails
	sum := sha512.Sum512(append([]byte(rootPassword), salt...))
	var places []string
	for name, value := range map[string]string{
		"schema_dir": s.in("etc/schema"), "lock_dir": s.in("lock"), "tmp_dir": s.in("tmp"), "cert_dir": s.in("etc"), "ldif_dir": s.in("ldif"),
		"bak_dir": s.in("bak"), "run_dir": s.in("run"), "inst_dir": s.folder, "log_dir": s.in("log"), "fqdn": "127.0.0.1",
		"ds_port": fmt.Sprint(plain), "ds_user": me.Username, "rootdn": ds389Root, "ldapi_enabled": "off", "ldapi": s.in("run/ldapi"),
		"ldapi_autobind": "off", "config_dir": s.in("etc"), "db_dir": s.in("db"), "db_home_dir": s.in("home"), "db_lib": "bdb", "ds_suffix": Suffix,
		"ds_passwd": "{SSHA512}" + base64.StdEncoding.EncodeToString(append(sum[:], salt...)),
	} {
		places = append(places, "%"+name+"%", value)
	}
	text := strings.NewReplacer(places...).Replace(string(template))
	text = strings.Replace(text, "nsslapd-port:", fmt.Sprintf(`nsslapd-listenhost: 127.0.0.1
nsslapd-securelistenhost: 127.0.0.1
nsslapd-security: on
nsslapd-secureport: %d
nsslapd-accesslog-logging-enabled: off
nsslapd-rootpwstoragescheme: SSHA512
passwordStorageScheme: SSHA512
passwordCheckSyntax: on
passwordMinLength: 8
passwordMinCategories: 1
passwordMinTokenLength: 16
passwordHistory: on
passwordInHistory: 2
passwordLockout: on
passwordMaxFailure: 5
passwordUnlock: on
passwordLockoutDuration: 60
passwordResetFailureCount: 3600
passwordMustChange: on
passwordTrackUpdateTime: on
nsslapd-port:`, secured), 1)
	must(t, os.WriteFile(s.in("etc/dse.ldif"), []byte(text), 0o600))
}

// Run starts the server again after Kill, on the same addresses. Any level of its
// log keeps it in the foreground.
func (s *DS389) Run(t testing.TB) {
	t.Helper()
	s.run(t, s.URL, []string{s.in("said"), s.in("log/errors")}, "ns-slapd", "-D", s.in("etc"), "-i", s.in("run/pid"), "-d", "16384")
}

// fill makes the entries that are always there, with the rights and the policy.
func (s *DS389) fill(t testing.TB, o DS389Options) {
	t.Helper()
	rights := o.Rights
	if rights == nil {
		rights = DS389Rights
	}
	s.Add(t, "cn="+ds389Backend+",cn=ldbm database,cn=plugins,cn=config", map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsBackendInstance"}, "cn": {ds389Backend}, "nsslapd-suffix": {Suffix},
	})
	s.Add(t, `cn="`+Suffix+`",cn=mapping tree,cn=config`, map[string][]string{
		"objectClass": {"top", "extensibleObject", "nsMappingTree"}, "cn": {Suffix}, "nsslapd-state": {"backend"}, "nsslapd-backend": {ds389Backend},
	})
	s.Add(t, Suffix, map[string][]string{"objectClass": {"top", "domain"}, "dc": {"contoso"}, "aci": rights})
	for _, ou := range []string{"people", "groups", "services"} {
		s.Add(t, "ou="+ou+","+Suffix, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	}
	s.Add(t, DS389Service, map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {"kunci"}, "cn": {"kunci"}, "sn": {"kunci"}, "userPassword": {servicePassword},
	})
	// As for each that somebody else set, another one is asked for.
	s.Modify(t, DS389Service, map[string][]string{"passwordExpirationTime": nil})
	if len(o.Policy) > 0 {
		change := make(map[string][]string)
		for name, value := range o.Policy {
			change[name] = []string{value}
		}
		s.Modify(t, "cn=config", change)
	}
}

// Config is the server as an organization's directory.
func (s *DS389) Config() org.DirectoryConfig {
	return org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.DS389, URLs: []string{s.URL}, BindDN: DS389Service, BindPasswordFile: s.PasswordFile,
		CAFile: s.Authority.File, BaseDN: People, WriteBack: true,
	}
}

var ds389Operational = []string{
	"*", "nsUniqueId", "accountUnlockTime", "passwordRetryCount", "retryCountResetTime", "passwordExpirationTime", "pwdReset", "pwdUpdateTime",
	"passwordHistory", "nsAccountLock", "pwdChangedTime", "entryUUID", "passwordAllowChangeTime", "passwordGraceUserTime",
}

// Remove deletes the entry with a key.
func (s *DS389) Remove(t testing.TB, key string) {
	t.Helper()
	s.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(Suffix, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 2, 0, false, "(nsUniqueId="+ldap.EscapeFilter(key)+")", []string{"1.1"}, nil))
		if err != nil || len(found.Entries) != 1 {
			return fmt.Errorf("no entry %s: %w", key, err)
		}
		return c.Del(ldap.NewDelRequest(found.Entries[0].DN, nil))
	})
}

// Advance makes everything that the password policy noted as much older.
func (s *DS389) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	times := []string{"accountUnlockTime", "retryCountResetTime", "passwordExpirationTime", "pwdUpdateTime", "passwordAllowChangeTime"}
	s.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(People, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(uid=*)", times, nil))
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			r := ldap.NewModifyRequest(e.DN, nil)
			for _, a := range e.Attributes {
				if a.Values[0] == "19700101000000Z" { // it asks for another password
					continue
				}
				older, err := shift(a.Values, by)
				if err != nil {
					return err
				}
				r.Replace(a.Name, older)
			}
			if len(r.Changes) == 0 {
				continue
			}
			if err := c.Modify(r); err != nil {
				return fmt.Errorf("%s: %w", e.DN, err)
			}
		}
		return nil
	})
}
