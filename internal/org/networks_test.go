package org

import "testing"

func TestFromWhereMethodsAreRegistered(t *testing.T) {
	office := RegistrationPolicy{Networks: []string{"192.0.2.0/24", "2001:db8::/32"}}
	for ip, want := range map[string]bool{
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "2001:db8::1": true, "2001:db8::1%eth0": true,
		"192.0.3.7": false, "2001:db9::1": false, "": false, "office": false,
	} {
		if got := office.From(ip); got != want {
			t.Errorf("from %q: %v", ip, got)
		}
		if !(RegistrationPolicy{}).From(ip) {
			t.Errorf("from %q is refused where nothing is asked", ip)
		}
	}
}
