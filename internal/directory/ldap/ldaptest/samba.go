package ldaptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Samba is a real Active Directory domain controller on an address of its own.
// All tests of a process share one: each takes an organizational unit for itself
// (Unit) and leaves the domain's own settings alone; a password settings object
// (Policy) gives its people other rules.
type Samba struct {
	Address string // 127.x.y.z
	// URL is for LDAPS, OpenURL for StartTLS; both certificates hold the address.
	URL, OpenURL string
	CAFile       string
	BaseDN       string
	// BindDN is an ordinary account. In units it may do what
	// docs/directories/active-directory.md delegates, and nothing else.
	BindDN, BindPassword, BindPasswordFile string

	dir   string
	admin struct{ dn, password string }
	ca    *x509.CertPool
	// certificate and key are files.
	certificate, key string
}

// What the domain asks of passwords. Samba itself keeps a history of 24, asks
// for a day between two changes and locks nobody.
const (
	SambaMinLength = 8
	SambaHistory   = 3
	SambaThreshold = 3
	SambaLockFor   = 30 * time.Minute
)

const (
	sambaRealm   = "contoso.test"
	sambaBase    = "DC=contoso,DC=test"
	sambaPatient = 3 * time.Minute // on a machine that does other things too
)

// StartSamba gives the domain controller of this process and starts it the first
// time. It ends with the process, also when that is killed: it runs until its
// input is closed.
func StartSamba(t testing.TB) *Samba {
	t.Helper()
	s, err := samba()
	if err != nil {
		t.Fatalf("starting a Samba domain controller: %v", err)
	}
	return s
}

var samba = sync.OnceValues(func() (*Samba, error) {
	for _, program := range []string{"samba", "samba-tool", "setsid"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not installed; run: make parts", program)
		}
	}
	if os.Getuid() != 0 {
		return nil, errors.New("its ports are fixed and below 1024: run these tests as root")
	}
	dir, err := os.MkdirTemp("", "kunci-samba")
	if err != nil {
		return nil, err
	}
	s := &Samba{dir: dir, BaseDN: sambaBase}
	ctx, cancel := context.WithTimeout(context.Background(), sambaPatient)
	defer cancel()
	err = s.provision(ctx)
	if err == nil {
		err = s.start(ctx)
	}
	if err == nil {
		err = s.settle(ctx)
	}
	if err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "said")) // nothing said is nothing to add
		return nil, errors.Join(err, errors.New(string(text)), os.RemoveAll(dir))
	}
	return s, nil
})

// provision makes an empty domain and the certificate of its controller.
func (s *Samba) provision(ctx context.Context) error {
	if err := s.chooseAddress(); err != nil {
		return err
	}
	s.admin.dn, s.admin.password = "CN=Administrator,CN=Users,"+sambaBase, sambaPassword()
	_, err := s.tool(ctx, "domain", "provision", "--targetdir="+s.dir, "--server-role=dc", "--use-rfc2307", "--dns-backend=NONE",
		"--realm="+sambaRealm, "--domain=CONTOSO", "--adminpass="+s.admin.password, "--host-name=dc1", "--host-ip=127.0.0.1",
		"--option=bind interfaces only=yes", "--option=interfaces=lo", "--option=vfs objects=acl_xattr xattr_tdb dfs_samba4")
	if err != nil {
		return err
	}
	authority, err := newAuthority(s.dir)
	if err != nil {
		return err
	}
	s.CAFile, s.ca = authority.File, x509.NewCertPool()
	s.ca.AddCert(authority.certificate)
	if s.certificate, s.key, err = authority.issue(s.Address, "dc1."+sambaRealm); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(s.dir, "cache"), 0o700); err != nil {
		return err
	}
	text, err := os.ReadFile(s.config())
	if err != nil {
		return err
	}
	return os.WriteFile(s.config(), s.configured(text), 0o600)
}

// chooseAddress finds a loopback address on which nobody serves LDAP: the ports
// of a domain controller are fixed, and other packages' tests run theirs.
func (s *Samba) chooseAddress() error {
	for range 20 {
		var b [3]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		s.Address = fmt.Sprintf("127.%d.%d.%d", 64+b[0]%64, b[1], 2+b[2]%250)
		l, err := net.Listen("tcp", net.JoinHostPort(s.Address, "636"))
		if err != nil {
			continue
		}
		s.URL, s.OpenURL = "ldaps://"+s.Address, "ldap://"+s.Address
		return l.Close()
	}
	return errors.New("no loopback address has port 636 free")
}

func (s *Samba) config() string { return filepath.Join(s.dir, "etc", "smb.conf") }

var sambaShares = regexp.MustCompile(`(?ms)^\[(homes|printers|print\$|sysvol|netlogon)\].*\z`)

// configured is what provisioning wrote, for LDAP alone and in one folder.
func (s *Samba) configured(text []byte) []byte {
	var kept []string
	for line := range strings.Lines(string(sambaShares.ReplaceAll(text, nil))) {
		key, _, _ := strings.Cut(line, "=")
		switch strings.TrimSpace(key) {
		case "interfaces", "server services", "log file", "unix password sync", "pam password change", "obey pam restrictions", "panic action":
		default:
			kept = append(kept, strings.TrimRight(line, "\n"))
		}
	}
	return []byte(strings.Join(append(kept,
		"\tinterfaces = "+s.Address+"/8",
		"\tserver services = ldap",
		"\tprefork children = 2",
		"\tlog file = "+s.dir+"/log.%m",
		"\ttls cafile = "+s.CAFile,
		"\ttls certfile = "+s.certificate,
		"\ttls keyfile = "+s.key,
		// As the documentation asks: otherwise a replaced password works for another hour.
		"\told password allowed period = 0",
	), "\n") + "\n")
}

// sambaInput is what the controller waits on: it ends when the process does.
var sambaInput io.WriteCloser

func (s *Samba) start(ctx context.Context) error {
	said, err := os.Create(filepath.Join(s.dir, "said"))
	if err != nil {
		return err
	}
	defer said.Close()
	// setsid: at the end of its input Samba ends its whole group, which is then its
	// own. The shell lives on to take the folder away.
	run := exec.Command("sh", "-c", `setsid -w samba -i -s "$1" --option="pid directory=$2" --option="ncalrpc dir=$2/ncalrpc"; rm -rf "$2"`, "sh", s.config(), s.dir)
	run.Stdout, run.Stderr = said, said
	run.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // an interrupt at the terminal is for the tests
	if sambaInput, err = run.StdinPipe(); err != nil {
		return err
	}
	if err := run.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		c, err := s.bind(s.admin.dn, s.admin.password)
		if err == nil {
			return c.Close()
		}
		select {
		case <-again.C:
		case gone := <-ended:
			return fmt.Errorf("it ended at once: %w", errors.Join(gone, err))
		case <-ctx.Done():
			return errors.Join(err, sambaInput.Close())
		}
	}
}

// settle gives the domain its rules and the service account its rights.
func (s *Samba) settle(ctx context.Context) error {
	s.BindDN, s.BindPassword = "CN=svc-kunci,CN=Users,"+sambaBase, sambaPassword()
	s.BindPasswordFile = filepath.Join(s.dir, "svc-kunci.password")
	if err := os.WriteFile(s.BindPasswordFile, []byte(s.BindPassword+"\n"), 0o600); err != nil {
		return err
	}
	c, err := s.bind(s.admin.dn, s.admin.password)
	if err != nil {
		return err
	}
	defer c.Close()
	rules := ldap.NewModifyRequest(sambaBase, nil)
	for name, value := range map[string]string{
		"minPwdLength": fmt.Sprint(SambaMinLength), "pwdHistoryLength": fmt.Sprint(SambaHistory), "minPwdAge": "0",
		"lockoutThreshold": fmt.Sprint(SambaThreshold), "lockoutDuration": SambaInterval(SambaLockFor), "lockOutObservationWindow": SambaInterval(SambaLockFor),
	} {
		rules.Replace(name, []string{value})
	}
	if err := c.Modify(rules); err != nil {
		return fmt.Errorf("the domain's rules: %w", err)
	}
	add := ldap.NewAddRequest(s.BindDN, nil)
	for name, value := range map[string]string{
		"objectClass": "user", "sAMAccountName": "svc-kunci", "userPrincipalName": "svc-kunci@" + sambaRealm,
		"userAccountControl": "66048", "unicodePwd": quoted(s.BindPassword),
	} {
		add.Attribute(name, []string{value})
	}
	if err := c.Add(add); err != nil {
		return fmt.Errorf("the service account: %w", err)
	}
	return nil
}

// tool runs samba-tool, on the controller's own files where it is given none.
func (s *Samba) tool(ctx context.Context, args ...string) (string, error) {
	if args[0] != "domain" {
		args = append(args, "-H", "tdb://"+filepath.Join(s.dir, "private", "sam.ldb"), "-s", s.config())
	}
	var said bytes.Buffer
	run := exec.CommandContext(ctx, "samba-tool", args...)
	run.Stdout, run.Stderr = &said, &said
	run.Env = append(os.Environ(), "PATH=/usr/sbin:/usr/bin:/sbin:/bin") // its own Python
	if err := run.Run(); err != nil {
		return "", fmt.Errorf("samba-tool %s %s: %w\n%s", args[0], args[1], err, said.String())
	}
	return said.String(), nil
}

// bind opens a connection of its own.
func (s *Samba) bind(dn, password string) (*ldap.Conn, error) {
	c, err := ldap.DialURL(s.URL, ldap.DialWithTLSConfig(&tls.Config{RootCAs: s.ca, ServerName: s.Address, MinVersion: tls.VersionTLS12}),
		ldap.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}))
	if err != nil {
		return nil, err
	}
	c.SetTimeout(20 * time.Second)
	if err := c.Bind(dn, password); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// SambaInterval writes a length of time as Active Directory does: hundreds of
// nanoseconds, below zero.
func SambaInterval(d time.Duration) string { return fmt.Sprint(-int64(d / 100)) }

func sambaPassword() string { return "Aa1." + rand.Text() }
