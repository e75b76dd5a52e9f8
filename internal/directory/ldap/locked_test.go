package ldap_test

import (
	"fmt"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// What decision 0035 stands on: of an account that is locked or switched off in the
// server itself, the server says the same for the right password and for a wrong
// one, to the last byte, so nobody can be told of it for knowing theirs. A mark of
// the organization's own is told only for the right one.
func TestWhatServersSayOfAccountsThatAreLockedOrOff(t *testing.T) {
	locked := func(t *testing.T, d directory.Directory, key string) {
		for i := range 5 {
			is(t, d, key, fmt.Sprint("salah ", i), directory.Wrong)
		}
	}
	type server interface {
		AsRoot(testing.TB, func(*goldap.Conn) error)
		Modify(testing.TB, string, map[string][]string)
	}
	type state struct {
		name         string
		mark         map[string][]string // none: five wrong passwords
		right, wrong directory.CheckResult
	}
	try := func(t *testing.T, s server, d directory.Directory, dn, key string, c state) {
		if c.mark == nil {
			locked(t, d, key)
		} else {
			s.Modify(t, dn, c.mark)
		}
		said := map[string]string{}
		for _, pw := range []string{first, second} {
			s.AsRoot(t, func(r *goldap.Conn) error {
				_, err := r.SimpleBind(goldap.NewSimpleBindRequest(dn, pw, []goldap.Control{goldap.NewControlBeheraPasswordPolicy()}))
				said[pw] = fmt.Sprint(err)
				if e, ok := err.(*goldap.Error); ok && e.Packet != nil {
					said[pw] = fmt.Sprintf("%s %x", err, e.Packet.Bytes()[7:]) // behind the number of the message
				}
				return nil
			})
		}
		if alike := said[first] == said[second]; alike != (c.right == c.wrong) {
			t.Errorf("%s: right %s\nwrong %s", c.name, said[first], said[second])
		}
		is(t, d, key, first, c.right)
		is(t, d, key, second, c.wrong)
	}
	for name, quiet := range map[string]bool{"slapd with ppolicy_use_lockout": false, "slapd without": true} {
		t.Run(name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Quiet: quiet})
			c := s.Config()
			c.Attributes.Disabled = "employeeType=left"
			d := open(t, c)
			byHand := directory.Locked
			if quiet { // nothing tells it from a wrong password
				byHand = directory.Wrong
			}
			for i, c := range []state{
				{"locked", nil, directory.Locked, directory.Locked},
				{"locked by hand", map[string][]string{"pwdAccountLockedTime": {"000001010000Z"}}, byHand, byHand},
				{"ended", map[string][]string{"pwdEndTime": {time.Now().UTC().Add(-time.Hour).Format("20060102150405Z")}}, byHand, byHand},
				{"marked", map[string][]string{"employeeType": {"left"}}, directory.Disabled, directory.Wrong},
			} {
				dn := s.AddPerson(t, fmt.Sprintf("p%d@contoso.com", i), first, nil)
				try(t, s, d, dn, keyOf(t, s, dn), c)
			}
		})
	}
	t.Run("389 Directory Server", func(t *testing.T) {
		s := ldaptest.StartDS389(t, ldaptest.DS389Options{})
		c := s.Config()
		c.Attributes.Disabled = "employeeType=left"
		d := open(t, c)
		for i, c := range []state{
			{"locked", nil, directory.Locked, directory.Locked},
			{"inactive", map[string][]string{"nsAccountLock": {"true"}}, directory.Wrong, directory.Wrong},
			{"marked", map[string][]string{"employeeType": {"left"}}, directory.Disabled, directory.Wrong},
		} {
			dn, key := person389(t, s, fmt.Sprintf("p%d@contoso.com", i))
			try(t, s, d, dn, key, c)
		}
	})
}
