package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/audit"
)

// OTLPConfig says which collector takes log records.
type OTLPConfig struct {
	URL     string // its whole address, /v1/logs by custom
	Header  [][2]string
	TLS     *tls.Config
	Service string // service.name
	Version string // service.version
}

// mostAnswer is how much of a collector's answer is read.
const mostAnswer = 64 << 10

// NewOTLP gives a sink that speaks OTLP over HTTP in its JSON form (OpenTelemetry
// Protocol 1.x). No proxy is asked and no redirect followed: headers hold keys.
func NewOTLP(c OTLPConfig) Sink {
	return &otlp{c, &http.Client{
		Timeout:       patience,
		Transport:     &http.Transport{TLSClientConfig: c.TLS, ForceAttemptHTTP2: true, MaxResponseHeaderBytes: mostAnswer, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

type otlp struct {
	c      OTLPConfig
	client *http.Client
}

// The parts of an ExportLogsServiceRequest that are used. In OTLP's JSON 64-bit
// numbers are texts and enumerations numbers.
type (
	otlpRequest struct {
		ResourceLogs []otlpResourceLogs `json:"resourceLogs"`
	}
	otlpResourceLogs struct {
		Resource  otlpResource    `json:"resource"`
		ScopeLogs []otlpScopeLogs `json:"scopeLogs"`
	}
	otlpResource struct {
		Attributes []otlpAttribute `json:"attributes"`
	}
	otlpScopeLogs struct {
		Scope struct {
			Name    string `json:"name"`
			Version string `json:"version,omitempty"`
		} `json:"scope"`
		LogRecords []otlpRecord `json:"logRecords"`
	}
	otlpRecord struct {
		Time           string          `json:"timeUnixNano"`
		Observed       string          `json:"observedTimeUnixNano"`
		SeverityNumber int             `json:"severityNumber"`
		SeverityText   string          `json:"severityText"`
		EventName      string          `json:"eventName"`
		Body           otlpValue       `json:"body"`
		Attributes     []otlpAttribute `json:"attributes"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text   *string `json:"stringValue,omitempty"`
		Number string  `json:"intValue,omitempty"`
	}
)

func otlpText(key, value string) otlpAttribute { return otlpAttribute{key, otlpValue{Text: &value}} }

// otlpNames are the names that OpenTelemetry's conventions have for some facts;
// everything else is under kunci.
var otlpNames = map[string]string{"ip": "client.address", "user_agent": "user_agent.original"}

// otlpSeverity is INFO, INFO2 and WARN of the log data model.
func otlpSeverity(o audit.Outcome) (int, string) {
	switch o {
	case audit.Success:
		return 9, "INFO"
	case audit.Failure:
		return 10, "INFO2"
	}
	return 13, "WARN"
}

func (o *otlp) record(e Event, now time.Time) otlpRecord {
	number, text := otlpSeverity(e.Outcome)
	body := e.sentence()
	r := otlpRecord{
		Time: strconv.FormatInt(e.Time.UnixNano(), 10), Observed: strconv.FormatInt(now.UnixNano(), 10),
		SeverityNumber: number, SeverityText: text, EventName: string(e.Kind), Body: otlpValue{Text: &body},
	}
	for _, field := range e.fields() {
		name, ok := otlpNames[field[0]]
		if !ok {
			name = "kunci." + field[0]
		}
		if field[0] == "leaf" {
			r.Attributes = append(r.Attributes, otlpAttribute{name, otlpValue{Number: field[1]}})
			continue
		}
		r.Attributes = append(r.Attributes, otlpText(name, field[1]))
	}
	return r
}

func (o *otlp) request(events []Event) otlpRequest {
	if len(events) == 0 {
		return otlpRequest{ResourceLogs: []otlpResourceLogs{}}
	}
	logs := otlpScopeLogs{}
	logs.Scope.Name, logs.Scope.Version = "kunci.audit", o.c.Version
	now := time.Now()
	for _, e := range events {
		logs.LogRecords = append(logs.LogRecords, o.record(e, now))
	}
	resource := otlpResource{[]otlpAttribute{otlpText("service.name", o.c.Service), otlpText("service.version", o.c.Version)}}
	return otlpRequest{[]otlpResourceLogs{{resource, []otlpScopeLogs{logs}}}}
}

// Send is part of Sink. What a collector says it rejected for good is not sent
// again: the protocol forbids it. After any other answer than 200 everything is,
// whatever the protocol says of the status: an operator mends a wrong key, and
// nothing may be lost by it.
func (o *otlp) Send(ctx context.Context, events []Event) error {
	answer, err := o.post(ctx, events)
	if err != nil {
		return err
	}
	if n, why := rejected(answer); n > 0 {
		return &Failure{Code: "rejected-" + strconv.FormatInt(n, 10), Cause: errors.New(cut(oneLine(why), longestValue)), Gone: true}
	}
	return nil
}

// Check is part of Sink: a request without records is a lawful one.
func (o *otlp) Check(ctx context.Context) error {
	_, err := o.post(ctx, nil)
	return err
}

func (o *otlp) post(ctx context.Context, events []Event) ([]byte, error) {
	body, err := json.Marshal(o.request(events))
	if err != nil {
		return nil, fail("encoding", err)
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, o.c.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fail("address", nil)
	}
	for _, h := range o.c.Header {
		q.Header.Add(h[0], h[1])
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "Kunci/"+o.c.Version)
	response, err := o.client.Do(q)
	if err != nil {
		if of := new(url.Error); errors.As(err, &of) {
			err = of.Err // the address may hold a key
		}
		return nil, fail(codeOf(err), err)
	}
	defer func() { _ = response.Body.Close() }() // it was read as far as it matters
	answer, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer))
	if err != nil {
		return nil, fail(codeOf(err), err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &Failure{Code: "status-" + strconv.Itoa(response.StatusCode), After: retryAfter(response.Header.Get("Retry-After"))}
	}
	return answer, nil
}

// rejected reads a partial success.
func rejected(answer []byte) (int64, string) {
	var said struct {
		PartialSuccess struct {
			Rejected json.RawMessage `json:"rejectedLogRecords"` // a text by the mapping, a number by some
			Message  string          `json:"errorMessage"`
		} `json:"partialSuccess"`
	}
	if json.Unmarshal(answer, &said) != nil {
		return 0, ""
	}
	n, err := strconv.ParseInt(string(bytes.Trim(said.PartialSuccess.Rejected, `"`)), 10, 64)
	if err != nil {
		return 0, ""
	}
	return n, said.PartialSuccess.Message
}

func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longestAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}

func codeOf(err error) string {
	var wrong *tls.CertificateVerificationError
	switch {
	case errors.As(err, &wrong):
		return "certificate"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return "unreachable"
}
