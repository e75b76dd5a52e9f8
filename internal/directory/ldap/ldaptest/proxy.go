package ldaptest

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between a client and a server and makes trouble on the way.
type Proxy struct {
	// URL is the server's as clients of the proxy write it.
	URL string

	to       string
	listener net.Listener
	delay    atomic.Int64 // of each answer
	held     atomic.Bool  // answers do not arrive, requests do
	refusing atomic.Bool  // new connections are closed at once
	seen     atomic.Int64 // connections so far

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// StartProxy stands before a server, named by its URL, until the test ends. It
// listens on the server's own address, which its certificate is for.
func StartProxy(t testing.TB, url string) *Proxy {
	t.Helper()
	scheme, to, _ := strings.Cut(url, "://")
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		host = to
		to = net.JoinHostPort(to, map[string]string{"ldap": "389", "ldaps": "636"}[scheme])
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: scheme + "://" + listener.Addr().String(), to: to, listener: listener, conns: make(map[net.Conn]bool)}
	go p.accept()
	t.Cleanup(func() {
		_ = listener.Close()
		p.Cut()
	})
	return p
}

// Address is where it listens.
func (p *Proxy) Address() string { return p.listener.Addr().String() }

// Delay makes each answer late.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Hold lets requests through and their answers not.
func (p *Proxy) Hold() { p.held.Store(true) }

// Refuse closes what is open and every new connection.
func (p *Proxy) Refuse() {
	p.refusing.Store(true)
	p.Cut()
}

// RefuseNew closes every new connection and leaves those that are open.
func (p *Proxy) RefuseNew() { p.refusing.Store(true) }

// Heal ends all trouble for new connections.
func (p *Proxy) Heal() {
	p.delay.Store(0)
	p.held.Store(false)
	p.refusing.Store(false)
}

// Connections is how many were made so far.
func (p *Proxy) Connections() int { return int(p.seen.Load()) }

// Cut closes every connection.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.seen.Add(1)
		if p.refusing.Load() {
			_ = client.Close()
			continue
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		go p.carry(server, client, nil)
		go p.carry(client, server, p.trouble)
	}
}

// trouble is what happens to an answer; false: it never arrives.
func (p *Proxy) trouble() bool {
	if d := time.Duration(p.delay.Load()); d > 0 {
		<-time.After(d)
	}
	return !p.held.Load()
}

func (p *Proxy) carry(to, from net.Conn, trouble func() bool) {
	defer func() {
		_ = to.Close()
		_ = from.Close()
		p.mu.Lock()
		delete(p.conns, from)
		p.mu.Unlock()
	}()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && (trouble == nil || trouble()) {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
