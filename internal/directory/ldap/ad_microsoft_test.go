package ldap_test

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/jimlambrt/gldap"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/org"
)

// windows answers as Microsoft's domain controllers do where Samba's does not: it
// has the control for resets that keep the rules, and names no rule in a refusal.
// It knows one person; only what these tests ask for is there.
type windows struct {
	hints    string // the control it offers
	password string
	used     []string // past passwords
	changed  time.Time
	locked   bool
	state    string // the sub-code that keeps the owner of the right password out; empty: nothing does
	refuses  bool   // the service account may not reset

	mu   sync.Mutex
	sent []gldap.Control // with the last write
}

const (
	windowsBase   = "DC=contoso,DC=com"
	windowsPerson = "CN=Alain Dupont,OU=People," + windowsBase
	windowsGUID   = "\xe3\xa3\xa7\xb7\x51\x65\x50\x4f\xbd\x47\xb7\x56\x29\x6c\x67\xf2"
	windowsKey    = "b7a7a3e3-6551-4f50-bd47-b756296c67f2"
)

// start serves until the test ends.
func (w *windows) start(t *testing.T) directory.Directory {
	t.Helper()
	return open(t, answersBy(t, w.bind, w.search, w.modify))
}

// answersBy serves LDAP with a test's own functions until the test ends, and gives
// the configuration of a domain there.
func answersBy(t *testing.T, bind, search, modify gldap.HandlerFunc) org.DirectoryConfig {
	t.Helper()
	authority := ldaptest.NewAuthority(t)
	certificate, key := authority.Issue(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := gldap.NewServer(gldap.WithDisablePanicRecovery())
	if err != nil {
		t.Fatal(err)
	}
	mux, err := gldap.NewMux()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{mux.Bind(bind), mux.Search(search), mux.Modify(modify), server.Router(mux)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(address, gldap.WithTLSConfig(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}))
	}()
	for !server.Ready() {
		select {
		case err := <-ended:
			t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("service"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // after the directory's connections are closed; it waits for them
		if err := server.Stop(); err != nil {
			t.Errorf("the server did not stop: %v", err)
		}
	})
	return org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.ActiveDirectory, URLs: []string{"ldaps://" + address}, WriteBack: true,
		BindDN: "svc-kunci@contoso.com", BindPasswordFile: secret, CAFile: authority.File, BaseDN: "OU=People," + windowsBase,
	}
}

const windowsWrong = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data %s, v4563\x00"

func (w *windows) bind(to *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewBindResponse(gldap.WithResponseCode(gldap.ResultInvalidCredentials))
	defer func() { _ = to.Write(answer) }()
	m, err := r.GetSimpleBindMessage()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case m.UserName == "svc-kunci@contoso.com" && m.Password == "service":
		answer.SetResultCode(gldap.ResultSuccess)
	case w.locked: // whatever the password is
		answer.SetDiagnosticMessage(fmt.Sprintf(windowsWrong, "775"))
	case m.UserName == windowsPerson && string(m.Password) == w.password && w.state != "": // only after the right one
		answer.SetDiagnosticMessage(fmt.Sprintf(windowsWrong, w.state))
	case m.UserName == windowsPerson && string(m.Password) == w.password:
		answer.SetResultCode(gldap.ResultSuccess)
	default:
		answer.SetDiagnosticMessage(fmt.Sprintf(windowsWrong, "52e"))
	}
}

func (w *windows) search(to *gldap.ResponseWriter, r *gldap.Request) {
	done := r.NewSearchDoneResponse(gldap.WithResponseCode(gldap.ResultSuccess))
	defer func() { _ = to.Write(done) }()
	m, err := r.GetSearchMessage()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	ticks := strconv.FormatInt(w.changed.UnixNano()/100+116_444_736_000_000_000, 10)
	entry := func(dn string, attributes map[string][]string) {
		_ = to.Write(r.NewSearchResponseEntry(dn, gldap.WithAttributes(attributes)))
	}
	switch {
	case m.BaseDN == "":
		entry("", map[string][]string{"supportedControl": {"1.2.840.113556.1.4.319", w.hints}})
	case strings.EqualFold(m.BaseDN, windowsBase) && m.Scope == gldap.BaseObject:
		entry(windowsBase, map[string][]string{
			"minPwdLength": {"8"}, "pwdProperties": {"1"}, "pwdHistoryLength": {"24"}, "minPwdAge": {"-864000000000"},
			"lockoutThreshold": {"10"}, "lockoutDuration": {"-6000000000"},
		})
	case strings.EqualFold(m.BaseDN, windowsPerson), strings.Contains(m.Filter, "objectGUID="):
		computed, since := "0", "0"
		if w.locked { // UF_LOCKOUT, and since when
			computed, since = "16", strconv.FormatInt(time.Now().UnixNano()/100+116_444_736_000_000_000, 10)
		}
		entry(windowsPerson, map[string][]string{
			"lockoutTime": {since},
			"objectGUID":  {windowsGUID}, "userPrincipalName": {"alain@contoso.com"}, "sAMAccountName": {"adupont"}, "displayName": {"Alain Dupont"},
			"userAccountControl": {"512"}, "pwdLastSet": {ticks}, "msDS-User-Account-Control-Computed": {computed},
		})
	}
}

func (w *windows) modify(to *gldap.ResponseWriter, r *gldap.Request) {
	answer := r.NewModifyResponse(gldap.WithResponseCode(gldap.ResultUnwillingToPerform))
	defer func() { _ = to.Write(answer) }()
	m, err := r.GetModifyMessage()
	if err != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sent = m.Controls
	if w.refuses {
		answer.SetResultCode(gldap.ResultInsufficientAccessRights)
		answer.SetDiagnosticMessage("00000005: SecErr: DSID-031A1190, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\x00")
		return
	}
	set, change := "", false
	for _, c := range m.Changes {
		if c.Modification.Type != "unicodePwd" {
			continue
		}
		pw := strings.Trim(decoded(c.Modification.Vals[0]), `"`)
		if c.Operation == gldap.DeleteAttribute {
			if change = true; pw != w.password {
				answer.SetResultCode(gldap.ResultConstraintViolation)
				answer.SetDiagnosticMessage("00000056: AtrErr: DSID-03191083, #1:\n\t0: 00000056: DSID-03191083, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\x00")
				return
			}
			continue
		}
		set = pw
	}
	rules := change || len(m.Controls) > 0
	kinds := 0
	for _, kind := range []string{"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", "0123456789", ".,!"} {
		if strings.ContainsAny(set, kind) {
			kinds++
		}
	}
	bad := len(set) < 8 || kinds < 3 || strings.Contains(strings.ToLower(set), "dupont")
	if rules {
		bad = bad || strings.Contains(strings.Join(append(w.used, w.password), "\n"), set) || time.Since(w.changed) < 24*time.Hour
	}
	switch {
	case bad && change:
		answer.SetResultCode(gldap.ResultConstraintViolation)
		answer.SetDiagnosticMessage("0000052D: AtrErr: DSID-03191083, #1:\n\t0: 0000052D: DSID-03191083, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\x00")
	case bad:
		answer.SetDiagnosticMessage("0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\x00")
	default:
		answer.SetResultCode(gldap.ResultSuccess)
		w.used, w.password, w.changed = append(w.used, w.password), set, time.Now()
		for _, c := range m.Changes {
			if c.Modification.Type == "lockoutTime" { // of the same request: all of it or nothing
				w.locked = false
			}
		}
	}
}

// decoded reads a value of unicodePwd. The library leaves its tag and length on
// the values of a modification; those of a short one are two bytes.
func decoded(value string) string {
	var units []uint16
	for b := []byte(value[2:]); len(b) > 1; b = b[2:] {
		units = append(units, binary.LittleEndian.Uint16(b))
	}
	return string(utf16.Decode(units))
}

func daysAgo(days int) time.Time { return time.Now().Add(-time.Duration(days) * 24 * time.Hour) }

// Where the server has the control for it, a reset keeps the history and the
// minimum age, and the rule behind the one code of all refusals is found.
func TestWindowsRefusalsAreExplained(t *testing.T) {
	for _, c := range []struct {
		name, hints, pw, want string
		count                 any
		changed               time.Time
	}{
		{"short", "1.2.840.113556.1.4.2239", "Aa1.", directory.RuleLength, 8, daysAgo(9)},
		{"two kinds", "1.2.840.113556.1.4.2239", "hijau.daun.telaga", directory.RuleComplexity, nil, daysAgo(9)},
		{"own name", "1.2.840.113556.1.4.2239", "Hijau.DUPONT.1", "contains_name", nil, daysAgo(9)},
		{"used", "1.2.840.113556.1.4.2239", newOne, directory.RuleHistory, 24, daysAgo(9)},
		{"used, older control", "1.2.840.113556.1.4.2066", newOne, directory.RuleHistory, 24, daysAgo(9)},
		{"young", "1.2.840.113556.1.4.2239", another, directory.RuleMinimumAge, nil, daysAgo(0)},
		{"used, no control", "", newOne, "", nil, daysAgo(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &windows{hints: c.hints, password: oldOne, used: []string{newOne}, changed: c.changed}
			d := w.start(t)
			err := d.SetPassword(t.Context(), windowsKey, c.pw, directory.SetOptions{Unlock: true})
			r, refused := directory.Refused(err)
			if refused != (c.want != "") || refused && (r.Rule != c.want || r.Args["count"] != c.count) || !refused && err != nil {
				t.Errorf("%v, want %q with %v", err, c.want, c.count)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if c.hints == "" {
				if len(w.sent) != 0 {
					t.Errorf("a control that the server does not offer was sent: %v", w.sent)
				}
				return
			}
			hint, ok := w.sent[0].(*gldap.ControlString)
			if len(w.sent) != 1 || !ok || hint.ControlType != c.hints || !hint.Criticality || hex.EncodeToString([]byte(hint.ControlValue)) != "3003020101" {
				t.Errorf("sent %v", w.sent)
			}
			if w.password != oldOne {
				t.Error("a refused password is the password")
			}
		})
	}
}

// The sub-codes, as Microsoft gives them: 775 for any password, the others after the
// right one alone.
func TestWindowsTellsTheStateOfAnAccountAfterTheRightPassword(t *testing.T) {
	w := &windows{password: oldOne, changed: daysAgo(9)}
	d := w.start(t)
	in := func(state string, locked bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.state, w.locked = state, locked
	}
	for state, want := range map[string]directory.CheckResult{
		"": directory.OK, "532": directory.Expired, "773": directory.MustChange, "533": directory.Disabled, "701": directory.Disabled,
		"530": directory.Disabled, "531": directory.Disabled, "7ff": directory.Wrong,
	} {
		in(state, false)
		is(t, d, windowsKey, oldOne, want)
		is(t, d, windowsKey, another, directory.Wrong)
		in(state, true)
		is(t, d, windowsKey, oldOne, directory.Locked)
		is(t, d, windowsKey, another, directory.Locked)
	}
	in("", true)
	if err := d.ChangePassword(t.Context(), windowsKey, oldOne, another, directory.ChangeOptions{}); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("a change while locked: %v", err)
	}
	w.mu.Lock()
	w.refuses = true
	w.mu.Unlock()
	if err := d.SetPassword(t.Context(), windowsKey, another, directory.SetOptions{Unlock: true}); !errors.Is(err, directory.ErrRights) {
		t.Errorf("without the right: %v", err)
	}
	is(t, d, windowsKey, oldOne, directory.Locked)
	w.mu.Lock()
	w.refuses = false
	w.mu.Unlock()
	if err := d.SetPassword(t.Context(), windowsKey, another, directory.SetOptions{Unlock: true}); err != nil {
		t.Errorf("with it: %v", err)
	}
	is(t, d, windowsKey, another, directory.OK)
}

func TestWindowsChanges(t *testing.T) {
	w := &windows{password: oldOne, used: []string{newOne}, changed: daysAgo(9)}
	d := w.start(t)
	change := func(old, pw string) error {
		return d.ChangePassword(t.Context(), windowsKey, old, pw, directory.ChangeOptions{})
	}
	for _, c := range []struct{ old, pw, want string }{
		{oldOne, newOne, directory.RuleHistory}, {oldOne, oldOne, directory.RuleHistory}, {oldOne, "hijau.daun.telaga", directory.RuleComplexity},
	} {
		if r, ok := directory.Refused(change(c.old, c.pw)); !ok || r.Rule != c.want {
			t.Errorf("%q: %v, want %q", c.pw, r, c.want)
		}
	}
	if err := change(another, newOne); !errors.Is(err, directory.ErrWrongPassword) {
		t.Errorf("wrong old password: %v", err)
	}
	if err := change(oldOne, another); err != nil {
		t.Errorf("change: %v", err)
	}
	is(t, d, windowsKey, another, directory.OK)
	is(t, d, windowsKey, oldOne, directory.Wrong)
	if rules, err := d.(directory.Ruled).Rules(t.Context(), windowsKey); err != nil || len(rules) != 3 {
		t.Errorf("rules %v, %v", rules, err)
	}
	w.mu.Lock()
	w.locked = true
	w.mu.Unlock()
	is(t, d, windowsKey, another, directory.Locked)
}
