// Package domaintest gives tests a DNS server of their own on loopback. Tests only.
package domaintest

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// DNS is a server that answers for every name, over UDP.
type DNS struct {
	t    testing.TB
	conn net.PacketConn

	mu    sync.Mutex
	texts map[string][]string // by name, without the dot at its end
	hosts map[string][4]byte  // where names lead to
	fails bool
	asked []string
}

// Start serves until the test ends.
func Start(t testing.TB) *DNS {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &DNS{t: t, conn: conn, texts: make(map[string][]string), hosts: make(map[string][4]byte)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.serve()
	}()
	t.Cleanup(func() {
		_ = conn.Close() // serving ends with it
		<-done
	})
	return d
}

// Set gives a name these TXT records; without any the name does not exist.
func (d *DNS) Set(name string, texts ...string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(texts) == 0 {
		delete(d.texts, name)
		return
	}
	d.texts[name] = texts
}

// Lead has a name lead to an address from now on.
func (d *DNS) Lead(name string, to [4]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[name] = to
}

// Fail has every question answered with a server failure, or no longer.
func (d *DNS) Fail(fails bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = fails
}

// Asked are the names that were asked for.
func (d *DNS) Asked() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.asked...)
}

// Resolver asks this server and no other.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", d.conn.LocalAddr().String())
	}}
}

func (d *DNS) serve() {
	in := make([]byte, 1500)
	for {
		n, from, err := d.conn.ReadFrom(in)
		if err != nil {
			return
		}
		if out := d.answer(in[:n]); out != nil {
			_, _ = d.conn.WriteTo(out, from) // whoever asked may be gone
		}
	}
}

func (d *DNS) answer(question []byte) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	name := strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))
	d.mu.Lock()
	texts, fails := d.texts[name], d.fails
	host, leads := d.hosts[name]
	d.asked = append(d.asked, name)
	d.mu.Unlock()
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: m.ID, Response: true, RecursionAvailable: true}, Questions: m.Questions}
	switch {
	case fails:
		reply.RCode = dnsmessage.RCodeServerFailure
	case leads && q.Type == dnsmessage.TypeA:
		reply.Answers = append(reply.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: host},
		})
	case len(texts) == 0 && !leads:
		reply.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeTXT:
		for _, text := range texts {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.TXTResource{TXT: []string{text}},
			})
		}
	}
	out, err := reply.Pack()
	if err != nil {
		d.t.Errorf("DNS: %v", err)
		return nil
	}
	return out
}
