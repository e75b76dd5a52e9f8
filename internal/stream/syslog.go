package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
)

// Lengths of RFC 5424, 6.1 and 6.2. A receiver should take 2,048 octets and may
// take more; over TCP and TLS all that are in use take 8,192.
const (
	longestDatagram = 2048
	longestMessage  = 8192
	longestValue    = 512
	shortValue      = 64
	longestHost     = 255
	longestMsgID    = 32
	longestName     = 32
)

// patience is how long a collector may take for one step.
const patience = 5 * time.Second

// SyslogConfig says where syslog messages go and what their head says.
type SyslogConfig struct {
	Network  string // udp | tcp | tls
	Address  string // host:port
	TLS      *tls.Config
	Facility int
	// Enterprise is the private enterprise number behind the structured data's name
	// (RFC 5424, 7.2.2).
	Enterprise int
	// Host is the HOSTNAME of every message, the same on every node.
	Host string
}

// NewSyslog gives a sink that speaks RFC 5424, over TCP and TLS with counted
// octets (RFC 6587, 3.4.1; RFC 5425), over UDP one datagram a message (RFC 5426).
func NewSyslog(c SyslogConfig) Sink { return &syslog{c} }

type syslog struct{ c SyslogConfig }

func (s *syslog) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	network := s.c.Network
	if network == "tls" {
		network = "tcp"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, s.c.Address)
	if err != nil {
		return nil, fail("unreachable", err)
	}
	if s.c.Network != "tls" {
		return conn, nil
	}
	secured := tls.Client(conn, s.c.TLS)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, fail(handshakeCode(err), err)
	}
	return secured, nil
}

func handshakeCode(err error) string {
	var wrong *tls.CertificateVerificationError
	if errors.As(err, &wrong) {
		return "certificate"
	}
	return "tls"
}

// Check is part of Sink.
func (s *syslog) Check(ctx context.Context) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Send is part of Sink. Syslog has no answer that says "taken". What comes next to
// it is the end of the connection: the sender closes its direction, and the
// receiver, once it has read everything, closes the other one (RFC 5425, 4.4).
// Until then events count as not taken and are sent again.
func (s *syslog) Send(ctx context.Context, events []Event) error {
	conn, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // the end was waited for, or it failed already
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if s.c.Network == "udp" {
		for _, e := range events {
			if _, err := conn.Write(s.message(e, longestDatagram)); err != nil { // nobody listens there, where a host says so
				return fail("unreachable", err)
			}
		}
		return nil
	}
	var all bytes.Buffer
	for _, e := range events {
		m := s.message(e, longestMessage)
		all.WriteString(strconv.Itoa(len(m)))
		all.WriteByte(' ')
		all.Write(m)
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return fail("unreachable", err)
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		return fail("broken-off", err)
	}
	return closed(conn)
}

// closed ends our direction and waits for the end of the other one.
func closed(conn net.Conn) error {
	half, ok := conn.(interface{ CloseWrite() error })
	if !ok {
		return fail("broken-off", errors.ErrUnsupported)
	}
	if err := half.CloseWrite(); err != nil {
		return fail("broken-off", err)
	}
	_, err := io.Copy(io.Discard, conn)
	switch {
	case err == nil, errors.Is(err, io.ErrUnexpectedEOF): // some close without TLS's farewell, once they have read ours
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail("not-closed", err)
	}
	return fail("broken-off", err)
}

// severity is RFC 5424's (6.2.1): informational, notice, warning.
func severity(o audit.Outcome) int {
	switch o {
	case audit.Success:
		return 6
	case audit.Failure:
		return 5
	}
	return 4
}

// bom begins a message's text that is UTF-8 (RFC 5424, 6.4).
const bom = "\xef\xbb\xbf"

// message is one event. Where it is too long its values are shortened, and where
// that is not enough its further facts are left out: the head and what names the
// event stay.
func (s *syslog) message(e Event, most int) []byte {
	for _, try := range []struct {
		value int
		facts bool
	}{{longestValue, true}, {shortValue, true}, {shortValue, false}} {
		if m := s.compose(e, try.value, try.facts); len(m) <= most {
			return m
		}
	}
	e.Slug, e.Detail = cut(e.Slug, shortValue), nil
	m := s.compose(e, shortValue/2, false)
	return m[:min(len(m), most)]
}

func (s *syslog) compose(e Event, most int, facts bool) []byte {
	var b bytes.Buffer
	b.WriteString("<" + strconv.Itoa(s.c.Facility*8+severity(e.Outcome)) + ">1 ")
	b.WriteString(e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"))
	b.WriteString(" " + printable(s.c.Host, longestHost) + " kunci - " + printable(string(e.Kind), longestMsgID))
	// A gap in sequenceId shows the receiver that something is missing (RFC 5424, 7.3.1).
	b.WriteString(` [meta sequenceId="` + strconv.FormatInt(e.Leaf%2147483647+1, 10) + `"]`)
	b.WriteString(`[kunci@` + strconv.Itoa(s.c.Enterprise))
	for _, field := range e.fields() {
		if !facts && strings.HasPrefix(field[0], "detail.") {
			continue
		}
		b.WriteString(" " + paramName(field[0]) + `="` + escape(cut(field[1], most)) + `"`)
	}
	if most < longestValue {
		b.WriteString(` shortened="true"`)
	}
	b.WriteString("] " + bom)
	if most == longestValue {
		b.WriteString(oneLine(e.sentence()))
	} else {
		b.WriteString(oneLine(string(e.Kind) + " " + string(e.Outcome)))
	}
	return b.Bytes()
}

// printable is a text of the head: PRINTUSASCII of a bounded length, "-" for none.
func printable(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < 33 || r > 126 {
			return -1
		}
		return r
	}, s)
	if s = s[:min(len(s), most)]; s == "" {
		return "-"
	}
	return s
}

// paramName is the name of a value: printable, without what ends one.
func paramName(s string) string {
	return printable(strings.Map(func(r rune) rune {
		if r == '=' || r == ']' || r == '"' {
			return '_'
		}
		return r
	}, s), longestName)
}

var escaper = strings.NewReplacer(`\`, `\\`, `"`, `\"`, `]`, `\]`)

// escape is RFC 5424, 6.3.3. Line ends are made harmless besides: not every
// receiver keeps messages apart by their length.
func escape(s string) string { return escaper.Replace(oneLine(s)) }

// oneLine has no control characters and is valid UTF-8.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' {
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(s, string(utf8.RuneError)))
}

// cut shortens a text to so many bytes, between characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
