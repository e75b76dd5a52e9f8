package ldap_test

import (
	"slices"
	"testing"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
)

// slowPassword is "hijau daun telaga" under a hash that takes slapd some 50 ms.
const slowPassword = "{CRYPT}$6$rounds=150000$kuncitest$XlqkW8176PatygbjZHzD5/RCkb.l35m4Lwlh9F56jh.Ej7C7SickfqLKuCaB1AZb3t6V9LmH6TtFdRLJZ6X2G."

// A server does not look at the password of a locked account, or of one without a
// password, and answers at once. Nobody can tell by that.
func TestALockedAccountTakesAsLongAsAWrongPassword(t *testing.T) {
	s := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	person := func(userID, pw string) string { return keyOf(t, s, s.AddPerson(t, userID, pw, nil)) }
	locked, open, none := person("alain@contoso.com", slowPassword), person("budi@contoso.com", slowPassword), person("hana@contoso.com", "")
	d := hurried(t, s.Config())
	for range 5 {
		is(t, d, locked, "salah", directory.Wrong)
	}
	is(t, d, locked, first, directory.Locked)
	took := map[string][]time.Duration{}
	for range 9 {
		for name, c := range map[string]struct {
			key, pw string
			want    directory.CheckResult
		}{
			"wrong": {open, "salah", directory.Wrong}, "locked, wrong": {locked, "salah", directory.Locked}, "locked, right": {locked, first, directory.Locked},
			"nobody": {"01890a5d-ac96-774b-bcce-b302099a8057", "salah", directory.Wrong}, "without a password": {none, "salah", directory.Wrong},
		} {
			start := time.Now()
			is(t, d, c.key, c.pw, c.want)
			took[name] = append(took[name], time.Since(start))
		}
		is(t, d, open, first, directory.OK) // and its count is none again
	}
	median := func(of []time.Duration) time.Duration { slices.Sort(of); return of[len(of)/2] }
	want := median(took["wrong"])
	for name, times := range took {
		if got := median(times); got > 2*want || want > 2*got {
			t.Errorf("%s: %v, a wrong password %v", name, got, want)
		}
	}
}
