package ldap_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// The node that set the password died before it could say so. Another one, which
// remembers nothing, is asked for the same: it finds the password set, whichever rule
// speaks against setting it once more, and does what is left.
func TestAnotherNodeFinishesWhatADeadOneBegan(t *testing.T) {
	for name, policy := range map[string]map[string]string{
		"history": nil, "minimum age": {"pwdMinAge": "86400"}, "both": {"pwdMinAge": "86400", "pwdInHistory": "5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{Policy: policy})
			dn := s.AddPerson(t, "alain@contoso.com", first, nil)
			key := keyOf(t, s, dn)
			s.Advance(t, 100*time.Hour)
			begun := time.Now()
			if err := hurried(t, s.Config()).SetPassword(t.Context(), key, second, directory.SetOptions{Unlock: true}); err != nil {
				t.Fatal(err)
			}
			s.Modify(t, dn, map[string][]string{"pwdReset": {"TRUE"}}) // what the dead one did not come to
			d := hurried(t, s.Config())
			again := directory.SetOptions{Unlock: true}
			if _, refused := directory.Refused(d.SetPassword(t.Context(), key, second, again)); !refused {
				t.Error("with no attempt before it is taken")
			}
			again.Begun = begun.Add(time.Hour)
			if _, refused := directory.Refused(d.SetPassword(t.Context(), key, second, again)); !refused {
				t.Error("a password that was set long before the attempt is taken for its own")
			}
			again.Begun = begun
			if r, refused := directory.Refused(d.SetPassword(t.Context(), key, first, again)); !refused {
				t.Errorf("the old one is taken: %v", r)
			}
			if err := d.SetPassword(t.Context(), key, second, again); err != nil {
				t.Errorf("it was done, and it says: %v", err)
			}
			if s.Read(t, dn).GetAttributeValue("pwdReset") == "TRUE" {
				t.Error("another one is asked for")
			}
			is(t, d, key, second, directory.OK)
		})
	}
}
