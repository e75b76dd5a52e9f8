package ldaptest

import (
	"crypto/tls"
	"net"
	"slices"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// Bind is what a recorder was told: an account and its password.
type Bind struct{ DN, Password string }

// Recorder is an LDAPS server of somebody else's: it keeps the passwords that
// reach it, and knows nobody.
type Recorder struct {
	// URL is where it listens, on this machine.
	URL string

	listener net.Listener

	mu    sync.Mutex
	binds []Bind
	conns int
}

// StartRecorder listens until the test ends, with a certificate of an authority.
func StartRecorder(t testing.TB, a *Authority) *Recorder {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(a.Issue(t, "127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Recorder{URL: "ldaps://" + plain.Addr().String()}
	r.listener = tls.NewListener(plain, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	go r.accept()
	t.Cleanup(func() { _ = r.listener.Close() })
	return r
}

// Binds are the accounts and passwords that reached it.
func (r *Recorder) Binds() []Bind {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.binds)
}

// Connections is how many reached it.
func (r *Recorder) Connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.conns
}

func (r *Recorder) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.conns++
		r.mu.Unlock()
		go r.serve(c)
	}
}

// serve answers binds with a refusal and ends at anything else.
func (r *Recorder) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	for {
		p, err := ber.ReadPacket(c)
		if err != nil || len(p.Children) < 2 || p.Children[1].Tag != ldap.ApplicationBindRequest || len(p.Children[1].Children) < 3 {
			return
		}
		dn, _ := p.Children[1].Children[1].Value.(string)
		r.mu.Lock()
		r.binds = append(r.binds, Bind{dn, p.Children[1].Children[2].Data.String()})
		r.mu.Unlock()
		answer := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "message")
		answer.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, p.Children[0].Value, "id"))
		result := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindResponse, nil, "bind response")
		result.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(ldap.LDAPResultInvalidCredentials), "result"))
		result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "matched"))
		result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "text"))
		answer.AppendChild(result)
		if _, err := c.Write(answer.Bytes()); err != nil {
			return
		}
	}
}
