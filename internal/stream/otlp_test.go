package stream_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/stream"
)

// logsRequest is ExportLogsServiceRequest of opentelemetry-proto 1.x, as far as it
// is used, in the names of its JSON mapping. What it lacks is refused.
type logsRequest struct {
	ResourceLogs []struct {
		Resource  struct{ Attributes []keyValue }
		ScopeLogs []struct {
			Scope      struct{ Name, Version string }
			LogRecords []struct {
				TimeUnixNano, ObservedTimeUnixNano string
				SeverityNumber                     int
				SeverityText, EventName            string
				Body                               anyValue
				Attributes                         []keyValue
			}
		}
	}
}

type keyValue struct {
	Key   string
	Value anyValue
}

type anyValue struct{ StringValue, IntValue string }

var lowerCamel = regexp.MustCompile(`^[a-z][A-Za-z]*$`)

func values(all []keyValue) map[string]string {
	m := make(map[string]string)
	for _, a := range all {
		m[a.Key] = a.Value.StringValue + a.Value.IntValue
	}
	return m
}

func TestOTLPIsWhatTheProtocolSays(t *testing.T) {
	each(t, func(r *room) {
		var mu sync.Mutex
		var bodies []string
		status, answer := http.StatusOK, `{}`
		to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			body, _ := io.ReadAll(q.Body)
			mu.Lock()
			defer mu.Unlock()
			if q.Header.Get("Content-Type") != "application/json" || q.Header.Get("X-Key") != "k3y" || q.Method != http.MethodPost || q.URL.Path != "/v1/logs" {
				t.Errorf("%s %s %v", q.Method, q.URL, q.Header)
			}
			if status == http.StatusFound {
				w.Header().Set("Location", "/elsewhere")
			}
			if status == http.StatusTooManyRequests {
				w.Header().Set("Retry-After", "1800")
			}
			if status == http.StatusOK {
				bodies = append(bodies, string(body))
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, answer)
		}))
		defer to.Close()
		sink := stream.NewOTLP(stream.OTLPConfig{URL: to.URL + "/v1/logs", Header: [][2]string{{"X-Key", "k3y"}}, Service: "kunci", Version: "1.2"})
		s := r.service(stream.Target{Name: "otlp", Sink: sink, People: true})
		if err := sink.Check(t.Context()); err != nil || bodies[0] != `{"resourceLogs":[]}` {
			t.Fatalf("%v, %v", err, bodies)
		}
		bodies = nil
		r.run(s)
		first := r.size()
		r.happen(3)
		// None of these answers takes anything.
		for _, code := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusFound, http.StatusAccepted, http.StatusTooManyRequests} {
			mu.Lock()
			status = code
			mu.Unlock()
			r.clock.Advance(10 * time.Minute)
			r.run(s)
			if at := r.state(s); at.LastError != "status-"+strconv.Itoa(code) || at.Behind != 3 {
				t.Fatalf("%+v", at)
			}
		}
		mu.Lock()
		status = http.StatusOK
		mu.Unlock()
		r.clock.Advance(20 * time.Minute) // it asked for thirty
		r.run(s)
		if len(bodies) != 0 {
			t.Fatal("it was not left alone")
		}
		r.clock.Advance(20 * time.Minute)
		r.run(s)
		if len(bodies) != 1 {
			t.Fatalf("%d requests, %+v", len(bodies), r.state(s))
		}
		decoder := json.NewDecoder(strings.NewReader(bodies[0]))
		decoder.DisallowUnknownFields()
		var q logsRequest
		if err := decoder.Decode(&q); err != nil {
			t.Fatalf("%v: %s", err, bodies[0])
		}
		everyKey(t, []byte(bodies[0]))
		if got := values(q.ResourceLogs[0].Resource.Attributes); got["service.name"] != "kunci" || got["service.version"] != "1.2" {
			t.Errorf("%v", got)
		}
		records := q.ResourceLogs[0].ScopeLogs[0].LogRecords
		if len(records) != 3 {
			t.Fatalf("%d records", len(records))
		}
		for i, rec := range records {
			got := values(rec.Attributes)
			nanos, err := strconv.ParseInt(rec.TimeUnixNano, 10, 64)
			if err != nil || nanos < 1e18 || rec.EventName != "reset.refused" || rec.SeverityNumber != []int{9, 10, 13}[i] || !strings.HasPrefix(rec.Body.StringValue, "reset.refused ") {
				t.Errorf("%+v", rec)
			}
			if got["kunci.leaf"] != strconv.FormatInt(first+int64(i), 10) || got["client.address"] != "192.0.2.7" || got["user_agent.original"] != nasty ||
				got["kunci.target_user_id"] != "alain@contoso.com" || got["kunci.detail.why"] != nasty || got["kunci.organization"] != "contoso" {
				t.Errorf("%v", got)
			}
		}
		// What it refuses for good is told, and not sent again.
		mu.Lock()
		answer = `{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}`
		mu.Unlock()
		r.happen(2)
		r.run(s)
		r.run(s)
		if at := r.state(s); at.LastError != "rejected-2" || at.Behind != 0 || len(bodies) != 2 {
			t.Errorf("%+v, %d requests", at, len(bodies))
		}
	})
}

// everyKey holds every name against lowerCamelCase, the only form that the mapping allows.
func everyKey(t *testing.T, body []byte) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				if !lowerCamel.MatchString(name) {
					t.Errorf("the name %s", name)
				}
				walk(inner)
			}
		case []any:
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	walk(v)
}
