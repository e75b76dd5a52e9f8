package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// HTTPConfig describes the request that has a gateway send a text or make a call.
type HTTPConfig struct {
	Method         string
	URL, Body      string // with placeholders: {to} {to_digits} {text} {code} {from} {id} {lang} {extension} {secret}
	ContentType    string // says how values are written into the body
	Header         [][2]string
	From, Secret   string
	SuccessStatus  []int          // empty: any 2xx
	SuccessPattern *regexp.Regexp // nil: whatever the answer says
	Timeout        time.Duration
	CAFile         string
}

// String keeps headers and secret out of whatever prints a configuration.
func (c HTTPConfig) String() string { return "gateway " + hostOf(c.URL) }

// GoString keeps them out of %#v.
func (c HTTPConfig) GoString() string { return c.String() }

// LogValue keeps them out of logs.
func (c HTTPConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }

// HTTP hands texts or calls to a gateway by one request each.
type HTTP struct {
	config HTTPConfig
	client *http.Client
}

// NewHTTP checks the configuration; it does not speak to the gateway.
func NewHTTP(c HTTPConfig) (*HTTP, error) {
	client, err := outbound(c.Timeout, c.CAFile)
	if err != nil {
		return nil, err
	}
	if _, err := encoderOf(c.ContentType); err != nil {
		return nil, err
	}
	return &HTTP{c, client}, nil
}

// SendPhone sends one request. What the gateway answers is looked at and not kept.
func (g *HTTP) SendPhone(ctx context.Context, p Phone) error {
	encode, err := encoderOf(g.config.ContentType)
	if err != nil {
		return Permanent(err)
	}
	values := map[string]string{
		"to": p.To, "to_digits": strings.TrimPrefix(p.To, "+"), "text": p.Text, "code": p.Code, "from": g.config.From,
		"id": p.ID, "lang": p.Lang, "extension": p.Extension, "secret": g.config.Secret,
	}
	var body io.Reader
	if g.config.Body != "" {
		body = strings.NewReader(fill(g.config.Body, values, encode))
	}
	request, err := http.NewRequestWithContext(ctx, g.config.Method, fill(g.config.URL, values, inURL), body)
	if err != nil {
		return Permanent(errors.New("the gateway's address cannot be used"))
	}
	if body != nil {
		request.Header.Set("Content-Type", g.config.ContentType+"; charset=utf-8")
	}
	for _, h := range g.config.Header {
		request.Header.Set(h[0], h[1])
	}
	status, answer, err := exchange(g.client, request)
	if err != nil {
		return err
	}
	good := status >= 200 && status < 300
	if len(g.config.SuccessStatus) > 0 {
		good = slices.Contains(g.config.SuccessStatus, status)
	}
	switch {
	case !good && status >= 200 && status < 300:
		return fmt.Errorf("the gateway answers %d, which is not one of success_status", status)
	case !good:
		return errGateway(status)
	case g.config.SuccessPattern != nil && !g.config.SuccessPattern.Match(answer):
		return fmt.Errorf("the gateway answers %d, but not what success_pattern asks for", status)
	}
	return nil
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// fill puts values into a template in one pass: what a value holds is never
// taken for a placeholder.
func fill(template string, values map[string]string, encode func(string) string) string {
	return placeholder.ReplaceAllStringFunc(template, func(name string) string {
		value, ok := values[name[1:len(name)-1]]
		if !ok {
			return name
		}
		return encode(value)
	})
}

// inURL is safe in a path and in a query alike.
func inURL(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// encoderOf says how a value is written into a body of a type, so that no text
// ends its field.
func encoderOf(contentType string) (func(string) string, error) {
	switch contentType {
	case "application/json":
		return func(s string) string {
			data, err := json.Marshal(s)
			if err != nil {
				return "" // a string is always written
			}
			return string(data[1 : len(data)-1])
		}, nil
	case "application/x-www-form-urlencoded":
		return url.QueryEscape, nil
	case "application/xml", "text/xml":
		return func(s string) string {
			var b bytes.Buffer
			if err := xml.EscapeText(&b, []byte(s)); err != nil {
				return "" // memory takes everything
			}
			return b.String()
		}, nil
	case "text/plain":
		return func(s string) string { return s }, nil
	}
	return nil, fmt.Errorf("gateway: bodies of %q cannot be written", contentType)
}

// outbound is a client for one gateway: it follows no redirect, which would
// carry keys and codes elsewhere, and trusts no certificate it cannot verify.
// Private addresses are allowed: the operator named this gateway, nobody else can.
func outbound(timeout time.Duration, caFile string) (*http.Client, error) {
	if timeout <= 0 {
		return nil, errors.New("gateway: no timeout")
	}
	trust := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("gateway: CA file: %w", err)
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("gateway: the CA file holds no certificate")
		}
	}
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, ForceAttemptHTTP2: true,
			DialContext:         (&net.Dialer{Timeout: timeout}).DialContext,
			TLSHandshakeTimeout: timeout, ResponseHeaderTimeout: timeout,
			MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// maxAnswer is how much of an answer is looked at.
const maxAnswer = 64 << 10

// exchange sends a request. The library's error repeats the address, which may
// hold a number and a key; ours only says what kind of failure it was.
func exchange(client *http.Client, request *http.Request) (status int, answer []byte, err error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, unreachable(err)
	}
	defer func() { _ = response.Body.Close() }() // it was read
	answer, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return 0, nil, unreachable(err)
	}
	return response.StatusCode, answer, nil
}

func unreachable(err error) error {
	var timeout net.Error
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return errors.New("the gateway's certificate is not trusted")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("the gateway does not answer in time")
	case errors.As(err, &dial) && dial.Op == "dial":
		return errors.New("the gateway cannot be reached")
	}
	return errors.New("the connection to the gateway was lost")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	return u.Host
}

// Check connects to the gateway, TLS included, and sends nothing.
func (g *HTTP) Check(ctx context.Context) error { return reach(ctx, g.client, g.config.URL) }

// reach opens a connection to a gateway and closes it again.
func reach(ctx context.Context, client *http.Client, address string) error {
	u, err := url.Parse(placeholder.ReplaceAllString(address, "x"))
	if err != nil {
		return errors.New("the gateway's address cannot be read")
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		return errors.New("the gateway's client is another one")
	}
	var conn net.Conn
	if host := net.JoinHostPort(u.Hostname(), port); u.Scheme == "https" {
		trust := transport.TLSClientConfig.Clone()
		trust.ServerName = u.Hostname()
		conn, err = (&tls.Dialer{Config: trust}).DialContext(ctx, "tcp", host)
	} else {
		conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", host)
	}
	if err != nil {
		return unreachable(err)
	}
	return conn.Close()
}
