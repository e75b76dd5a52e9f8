package stream_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"kunci.dev/kunci/internal/stream"
)

// grammar is RFC 5424's ABNF (section 6): head, structured data, text.
var grammar = regexp.MustCompile(`(?s)^<(\d{1,3})>1 ` +
	`(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([\x21-\x7e]{1,255}) ([\x21-\x7e]{1,48}) ([\x21-\x7e]{1,128}) ([\x21-\x7e]{1,32}) ` +
	`((?:\[[!#-<>-\\^-~]{1,32}(?: [!#-<>-\\^-~]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])+) \x{FEFF}(.*)$`)

var param = regexp.MustCompile(`(?s) ([!#-<>-\\^-~]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"`)

type message struct {
	pri    string
	host   string
	app    string
	msgid  string
	data   string
	values map[string]string
	text   string
}

var unescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\]`, `]`)

func parseMessage(t *testing.T, line string) message {
	t.Helper()
	found := grammar.FindStringSubmatch(line)
	if found == nil || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n\x00") {
		t.Fatalf("this is not RFC 5424: %q", line)
	}
	m := message{pri: found[1], host: found[3], app: found[4], msgid: found[6], data: found[7], text: found[8], values: make(map[string]string)}
	for _, p := range param.FindAllStringSubmatch(found[7], -1) {
		if _, twice := m.values[p[1]]; twice {
			t.Errorf("%s stands twice in %q", p[1], line)
		}
		m.values[p[1]] = unescape.Replace(p[2])
	}
	return m
}

// collector takes connections one after another and keeps their messages.
type collector struct {
	net.Listener
	took chan []string
}

func newCollector(t *testing.T, c *tls.Config) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c != nil {
		l = tls.NewListener(l, c)
	}
	col := &collector{l, make(chan []string, 100)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			got, err := frames(bufio.NewReader(conn))
			if err == nil {
				col.took <- got
			}
			_ = conn.Close()
		}
	}()
	return col
}

// frames reads counted octets up to the end (RFC 6587, 3.4.1).
func frames(r *bufio.Reader) (all []string, err error) {
	for {
		head, err := r.ReadString(' ')
		if errors.Is(err, io.EOF) && head == "" {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.TrimSuffix(head, " "))
		if err != nil {
			return nil, err
		}
		text := make([]byte, n)
		if _, err := io.ReadFull(r, text); err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
}

func TestSyslogIsWhatTheRFCSays(t *testing.T) {
	each(t, func(r *room) {
		to := newCollector(t, nil)
		sink := stream.NewSyslog(stream.SyslogConfig{Network: "tcp", Address: to.Addr().String(), Facility: 13, Enterprise: 32473, Host: "reset.contoso.com"})
		s := r.service(stream.Target{Name: "syslog", Sink: sink, People: true})
		r.run(s)
		first := r.size()
		r.happen(3)
		r.run(s)
		got := <-to.took
		if len(got) != 3 {
			t.Fatalf("%d messages", len(got))
		}
		for i, line := range got {
			m := parseMessage(t, line)
			// 13 × 8 and informational, notice, warning.
			if want := []string{"110", "109", "108"}[i]; m.pri != want || m.host != "reset.contoso.com" || m.app != "kunci" || m.msgid != "reset.refused" {
				t.Errorf("%+v", m)
			}
			for name, want := range map[string]string{
				"organization": "contoso", "user_agent": nasty, "target_user_id": "alain@contoso.com", "ip": "192.0.2.7", "detail.why": nasty,
				"detail.odd___name": "1", "leaf": strconv.FormatInt(first+int64(i), 10), "sequenceId": strconv.FormatInt(first+int64(i)+1, 10),
			} {
				if m.values[name] != want {
					t.Errorf("%s is %q, want %q", name, m.values[name], want)
				}
			}
			if strings.Count(m.data, "[kunci@32473 ") != 1 || len(line) > 8192 {
				t.Errorf("%q", line)
			}
		}
	})
}

func TestSyslogLeavesPeopleOut(t *testing.T) {
	each(t, func(r *room) {
		to := newCollector(t, nil)
		s := r.service(stream.Target{Name: "syslog", Sink: stream.NewSyslog(stream.SyslogConfig{Network: "tcp", Address: to.Addr().String(), Facility: 13, Enterprise: 32473})})
		r.run(s)
		r.happen(1)
		r.run(s)
		line := (<-to.took)[0]
		m := parseMessage(t, line)
		if strings.Contains(line, "alain@") || strings.Contains(line, "192.0.2.7") || m.values["user_agent"] != "" || m.values["target"] != "acc-alain" || m.host != "-" {
			t.Errorf("%q", line)
		}
	})
}

// A datagram stays within what every receiver should take, and is still one.
func TestALongEventBecomesAShortDatagram(t *testing.T) {
	each(t, func(r *room) {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		s := r.service(stream.Target{Name: "syslog", Sink: stream.NewSyslog(stream.SyslogConfig{Network: "udp", Address: conn.LocalAddr().String(), Facility: 13, Enterprise: 32473})})
		r.run(s)
		detail := make(map[string]string)
		for i := range 60 {
			detail[fmt.Sprintf("fact%d", i)] = strings.Repeat("\u00fc]", 200)
		}
		for _, d := range []map[string]string{{"a": strings.Repeat(`"`, 512), "b": strings.Repeat(`\`, 512)}, detail} {
			r.record(d)
		}
		r.run(s)
		for range 2 {
			buffer := make([]byte, 65536)
			if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
			n, _, err := conn.ReadFrom(buffer)
			if err != nil {
				t.Fatal(err)
			}
			if m := parseMessage(t, string(buffer[:n])); n > 2048 || m.values["id"] == "" || m.values["shortened"] != "true" {
				t.Errorf("%d octets: %.200q", n, buffer[:n])
			}
		}
	})
}

// A collector that breaks off, or never says that it read to the end, has not taken
// anything: the same events come again.
func TestWhatWasNotReadToTheEndComesAgain(t *testing.T) {
	each(t, func(r *room) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		sink := stream.NewSyslog(stream.SyslogConfig{Network: "tcp", Address: l.Addr().String(), Facility: 13, Enterprise: 32473})
		s := r.service(stream.Target{Name: "syslog", Sink: sink})
		r.run(s)
		r.happen(2)
		go func() { // reads a little, and dies with the rest unread
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.ReadFull(conn, make([]byte, 100))
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}()
		r.run(s)
		if at := r.state(s); at.Behind != 2 || at.FailingSince.IsZero() {
			t.Fatalf("%+v", at)
		}
		r.clock.Advance(time.Minute)
		got := make(chan []string, 1)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all, _ := frames(bufio.NewReader(conn))
			_ = conn.Close()
			got <- all
		}()
		r.run(s)
		if all := <-got; len(all) != 2 || r.state(s).Behind != 0 {
			t.Errorf("%d came, %+v", len(all), r.state(s))
		}
	})
}

// certificate makes a certificate for 127.0.0.1 that vouches for itself.
func certificate(t *testing.T, folder string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	secret := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})
	for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": secret} {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.X509KeyPair(cert, secret)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pair, pool
}

func TestTheCollectorsCertificateIsChecked(t *testing.T) {
	each(t, func(r *room) {
		pair, pool := certificate(t, t.TempDir())
		to := newCollector(t, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		sink := func(roots *x509.CertPool, host string) stream.Sink {
			return stream.NewSyslog(stream.SyslogConfig{
				Network: "tls", Address: to.Addr().String(), Facility: 13, Enterprise: 32473,
				TLS: &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12},
			})
		}
		for _, c := range []struct {
			roots *x509.CertPool
			host  string
		}{{nil, "127.0.0.1"}, {pool, "logs.contoso.com"}} {
			s := r.service(stream.Target{Name: "bad " + c.host, Sink: sink(c.roots, c.host), History: true})
			r.run(s)
			if at := r.state(s); at.LastError != "certificate" || at.Behind == 0 {
				t.Errorf("%q is trusted: %+v", c.host, at)
			}
		}
		s := r.service(stream.Target{Name: "good", Sink: sink(pool, "127.0.0.1"), History: true})
		r.run(s)
		if got := <-to.took; len(got) != int(r.size()) {
			t.Errorf("%d of %d messages", len(got), r.size())
		}
	})
}
