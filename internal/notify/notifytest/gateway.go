package notifytest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Twilio's account as the double knows it.
const (
	TwilioSID   = "AC0123456789abcdef0123456789abcdef"
	TwilioToken = "token of the double"
)

// Ask is one request as the gateway got it.
type Ask struct {
	Method, Path, Query, ContentType, Body string
	Header                                 http.Header
	// Form are the fields of a body that is a form.
	Form url.Values
	At   time.Time
}

// GatewayOptions say how the gateway behaves.
type GatewayOptions struct {
	// Answer decides about the nth request (from 1). Status 0 takes it the way
	// the provider's documentation says; a Hang waits until the client is gone.
	Answer func(n int, a Ask) (status int, body string)
}

// Hang as a status has the gateway never answer.
const Hang = -1

// Gateway takes texts and calls: at /2010-04-01/ as Twilio's documentation
// says, elsewhere as any gateway that answers {"status":"0"}.
type Gateway struct {
	URL     string
	options GatewayOptions

	mu      sync.Mutex
	asks    []Ask
	taken   int
	arrived chan struct{} // closed and replaced at every request
}

// StartGateway runs a gateway on this machine until the test ends.
func StartGateway(t testing.TB, o GatewayOptions) *Gateway {
	t.Helper()
	g := &Gateway{options: o, arrived: make(chan struct{})}
	server := httptest.NewServer(g)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	g.URL = server.URL
	return g
}

// ServeHTTP takes one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return
	}
	a := Ask{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, ContentType: r.Header.Get("Content-Type"), Body: string(body), Header: r.Header, At: time.Now()}
	if strings.HasPrefix(a.ContentType, "application/x-www-form-urlencoded") {
		a.Form, _ = url.ParseQuery(a.Body) // what is wrong with it, the test sees in Body
	}
	g.mu.Lock()
	g.asks = append(g.asks, a)
	n := len(g.asks)
	close(g.arrived)
	g.arrived = make(chan struct{})
	g.mu.Unlock()
	status, text := 0, ""
	if g.options.Answer != nil {
		status, text = g.options.Answer(n, a)
	}
	switch {
	case status == Hang:
		<-r.Context().Done()
		return
	case status != 0:
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // the client may be gone
	case strings.HasPrefix(r.URL.Path, "/2010-04-01/"):
		status, text = g.twilio(r, a)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	default:
		_, _ = io.WriteString(w, `{"status":"0"}`)
	}
}

// twilio answers as the API does: 201 and the resource, or an error with its code.
func (g *Gateway) twilio(r *http.Request, a Ask) (int, string) {
	refuse := func(status, code int, message string) (int, string) {
		data, _ := json.Marshal(map[string]any{"code": code, "message": message, "status": status}) // of plain values
		return status, string(data)
	}
	sid, token, _ := r.BasicAuth()
	if sid != TwilioSID || token != TwilioToken || r.Method != http.MethodPost {
		return refuse(http.StatusUnauthorized, 20003, "Authenticate")
	}
	to := a.Form.Get("To")
	if len(to) < 8 || to[0] != '+' || strings.Trim(to[1:], "0123456789") != "" {
		return refuse(http.StatusBadRequest, 21211, "Invalid 'To' Phone Number: "+to)
	}
	g.mu.Lock()
	g.taken++
	n := g.taken
	g.mu.Unlock()
	switch strings.TrimPrefix(r.URL.Path, "/2010-04-01/Accounts/"+TwilioSID) {
	case "/Messages.json":
		if a.Form.Get("Body") == "" || a.Form.Get("From")+a.Form.Get("MessagingServiceSid") == "" {
			return refuse(http.StatusBadRequest, 21602, "Message body is required")
		}
		return http.StatusCreated, fmt.Sprintf(`{"sid":"SM%032d","status":"queued"}`, n)
	case "/Calls.json":
		if a.Form.Get("Twiml") == "" || a.Form.Get("From") == "" {
			return refuse(http.StatusBadRequest, 21205, "Url is required")
		}
		return http.StatusCreated, fmt.Sprintf(`{"sid":"CA%032d","status":"queued"}`, n)
	}
	return refuse(http.StatusNotFound, 20404, "The requested resource was not found")
}

// Asks is every request so far.
func (g *Gateway) Asks() []Ask {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.asks)
}

// Wait waits until n requests have come.
func (g *Gateway) Wait(t testing.TB, n int) []Ask {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		g.mu.Lock()
		asks, arrived := slices.Clone(g.asks), g.arrived
		g.mu.Unlock()
		if len(asks) >= n {
			return asks
		}
		select {
		case <-arrived:
		case <-deadline:
			t.Fatalf("%d requests came to the gateway, want %d", len(asks), n)
		}
	}
}

// SignTwilio signs a call-back to an address under a token.
func SignTwilio(token, address string, form url.Values) string {
	names := make([]string, 0, len(form))
	for name := range form {
		names = append(names, name)
	}
	slices.Sort(names)
	text := address
	for _, name := range names {
		text += name + form.Get(name)
	}
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
