package egress_test

import (
	"errors"
	"net/netip"
	"testing"

	"kunci.dev/kunci/internal/egress"
)

func TestOnlyWhatIsPublicOrAllowedIsReached(t *testing.T) {
	inside := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}
	for _, c := range []struct {
		address string
		allowed []netip.Prefix
		ports   []uint16
		ok      bool
	}{
		{"1.1.1.1:8443", nil, nil, true},
		{"[2606:4700::1111]:443", nil, nil, true},
		{"127.0.0.1:443", nil, nil, false},
		{"[::1]:443", nil, nil, false},
		{"10.1.2.3:443", nil, nil, false},
		{"192.168.1.1:443", nil, nil, false},
		{"169.254.169.254:80", nil, nil, false}, // where clouds keep their credentials
		{"[fe80::1]:443", nil, nil, false},
		{"[fd00:1::1]:443", nil, nil, false},
		{"[::ffff:127.0.0.1]:443", nil, nil, false},
		{"10.1.2.3:8443", inside, nil, true},
		{"[fd00:1::1]:443", inside, nil, true},
		{"10.2.2.3:443", inside, nil, false},
		{"1.1.1.1:443", nil, []uint16{443}, true},
		{"1.1.1.1:22", nil, []uint16{443}, false},
	} {
		network := "tcp4"
		if netip.MustParseAddrPort(c.address).Addr().Is6() {
			network = "tcp6"
		}
		err := egress.Guard(c.allowed, c.ports...).Safe(network, c.address, nil)
		if (err == nil) != c.ok || egress.Refused(err) == c.ok {
			t.Errorf("%s, allowed %v, ports %v: %v", c.address, c.allowed, c.ports, err)
		}
	}
	if egress.Refused(errors.New("connection refused")) {
		t.Error("another failure is taken for a refusal")
	}
}
