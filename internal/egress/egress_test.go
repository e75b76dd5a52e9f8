package egress_test

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"kunci.dev/kunci/internal/domain/domaintest"
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
		{"168.63.129.16:80", nil, nil, false},   // Azure's
		{"[::ffff:168.63.129.16]:80", nil, nil, false},
		{"168.63.129.17:443", nil, nil, true},
		{"100.100.100.200:80", nil, nil, false}, // Alibaba's
		{"192.0.0.192:80", nil, nil, false},     // Oracle's
		{"[fd00:ec2::254]:80", nil, nil, false}, // Amazon's
		{"[fd20:ce::254]:80", nil, nil, false},  // Google's
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

// A name that leads to a public address when somebody looks, and inward when the
// connection is made, leads nowhere (DNS rebinding).
func TestANameIsJudgedWhenTheConnectionIsMade(t *testing.T) {
	inside, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inside.Close() })
	var reached atomic.Bool
	go func() {
		if conn, err := inside.Accept(); err == nil {
			reached.Store(true)
			_ = conn.Close()
		}
	}()
	dns := domaintest.Start(t)
	resolver := dns.Resolver()
	dns.Lead("siem.example", [4]byte{1, 1, 1, 1})
	looked, err := resolver.LookupHost(t.Context(), "siem.example.")
	if err != nil || strings.Join(looked, " ") != "1.1.1.1" {
		t.Fatalf("looked up: %v, %v", looked, err)
	}
	dns.Lead("siem.example", [4]byte{127, 0, 0, 1})
	_, port, _ := net.SplitHostPort(inside.Addr().String())
	dialer := &net.Dialer{Resolver: resolver, Control: egress.Guard(nil).Safe}
	conn, err := dialer.DialContext(t.Context(), "tcp", net.JoinHostPort("siem.example.", port))
	if err == nil {
		_ = conn.Close()
	}
	if !egress.Refused(err) || reached.Load() {
		t.Errorf("%v, reached: %v", err, reached.Load())
	}
	// It is the guard that refused: without one the name leads inward.
	conn, err = (&net.Dialer{Resolver: resolver}).DialContext(t.Context(), "tcp", net.JoinHostPort("siem.example.", port))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}
