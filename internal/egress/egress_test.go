package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

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
	resolver := rebinding(t, [4]byte{1, 1, 1, 1}, [4]byte{127, 0, 0, 1})
	looked, err := resolver.LookupHost(t.Context(), "siem.example.")
	if err != nil || strings.Join(looked, " ") != "1.1.1.1" {
		t.Fatalf("looked up: %v, %v", looked, err)
	}
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

// rebinding answers the first question with one address, and every other with another.
func rebinding(t *testing.T, first, then [4]byte) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		in, at := make([]byte, 1500), first
		for {
			n, from, err := server.ReadFrom(in)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(in[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m = dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
			if q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: at}}}
				at = then
			}
			if out, err := m.Pack(); err == nil {
				_, _ = server.WriteTo(out, from) // whoever asked may be gone
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp4", server.LocalAddr().String())
	}}
}
