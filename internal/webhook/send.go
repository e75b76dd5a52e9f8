package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"kunci.dev/kunci/internal/egress"
)

// patience is how long a receiver may take; what it answers is not read beyond mostAnswer.
const (
	patience   = 5 * time.Second
	mostAnswer = 64 << 10
)

// gone is what a receiver answers that wants nothing any more.
const gone = "status-410"

// message is the body of one call.
type message struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

// sign is Standard Webhooks' symmetric signature: HMAC-SHA256 over id, time and body.
func sign(secret []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(mac, "%s.%d.", id, at.Unix()) // a hash takes everything
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// blame says what a failure speaks about.
type blame int

const (
	theWay      blame = iota // nothing of the event arrived
	theReceiver              // the receiver, whatever the event is
	theEvent                 // this event: the receiver saw it and answered
)

// failure is why a call failed; the zero value is success.
type failure struct {
	code  string // short, without a word of the address
	blame blame
	after time.Duration // how long the receiver asks to be left alone
}

// ofReceiver are the answers that would be the same for every event: who may not
// come in, and where nobody is at home.
var ofReceiver = []int{
	http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed,
	http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusGone, http.StatusMisdirectedRequest, http.StatusTooEarly,
	http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// send makes one call.
func send(ctx context.Context, t target, id string, at time.Time, body []byte) failure {
	transport := &http.Transport{
		DialContext:       (&net.Dialer{Timeout: patience, Control: egress.Guard(t.Allowed).Safe}).DialContext,
		DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: mostAnswer,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	var given atomic.Bool // the request went out; whoever read it may have choked on it
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { given.Store(true) }})
	request, err := http.NewRequestWithContext(traced, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return failure{code: "address"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Kunci")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", sign(t.Secret, id, at, body))
	response, err := client.Do(request)
	if err != nil {
		return failureOf(err, given.Load())
	}
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer) // what it says does not matter
	_ = response.Body.Close()
	status := response.StatusCode
	if status/100 == 2 {
		return failure{}
	}
	f := failure{code: "status-" + strconv.Itoa(status), blame: theEvent, after: retryAfter(response.Header.Get("Retry-After"), at)}
	if status < 400 || slices.Contains(ofReceiver, status) {
		f.blame = theReceiver
	}
	return f
}

// failureOf tells what went wrong on the way.
func failureOf(err error, given bool) failure {
	f := failure{code: "unreachable"}
	if given {
		f = failure{code: "no-answer", blame: theReceiver}
	}
	switch {
	case egress.Refused(err):
		f.code = "not-public"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		f.code = "timeout"
	}
	return f
}

// retryAfter reads the header of RFC 9110, 10.2.3: seconds, or a time.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(now)
	}
	return 0
}
