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
	"os"
	"strconv"
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

// send makes one call and gives a short code of why it failed; empty for success.
func send(ctx context.Context, t target, id string, at time.Time, body []byte) string {
	transport := &http.Transport{
		DialContext:       (&net.Dialer{Timeout: patience, Control: egress.Guard(t.Allowed).Safe}).DialContext,
		DisableKeepAlives: true, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: mostAnswer,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Transport: transport, Timeout: patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(body))
	if err != nil {
		return "address"
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Kunci")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", strconv.FormatInt(at.Unix(), 10))
	request.Header.Set("webhook-signature", sign(t.Secret, id, at, body))
	response, err := client.Do(request)
	if err != nil {
		return reasonOf(err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, mostAnswer) // what it says does not matter
	_ = response.Body.Close()
	if response.StatusCode/100 != 2 {
		return "status-" + strconv.Itoa(response.StatusCode)
	}
	return ""
}

// reasonOf tells what went wrong without a word of the address.
func reasonOf(err error) string {
	switch {
	case egress.Refused(err):
		return "not-public"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "unreachable"
}
