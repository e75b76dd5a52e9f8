package app

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/store"
)

// What the configuration says is what is built, its way is followed, and the doctor
// and the metrics tell of one that does not work.
func TestStreamsOfTheConfiguration(t *testing.T) {
	c := healthy(t, store.SQLite, notifytest.Options{})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "audit.ndjson")
	c.Audit.JSON = config.Lines{File: file, History: true, Identifiers: true}
	c.Audit.Syslog.URL, c.Audit.Syslog.History = "tcp://"+dead, true
	if names := wrong(Doctor(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})); !slices.Equal(names, []string{"audit syslog"}) {
		t.Errorf("the doctor finds %v", names)
	}
	a, err := New(t.Context(), c, Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	if err := a.Streams.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), `"organization_slug":"contoso"`) {
		t.Errorf("%v: %s", err, data)
	}
	answer := httptest.NewRecorder()
	newFigures(a).page().ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`kunci_audit_stream_failing{stream="syslog"} 1`, `kunci_audit_stream_failing{stream="json"} 0`, `kunci_audit_stream_lag_events{stream="json"} 0`,
	} {
		if !strings.Contains(answer.Body.String(), line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	for _, bad := range []func(*config.Config){
		func(c *config.Config) { c.Audit.Syslog.URL, c.Audit.Syslog.CAFile = "tls://127.0.0.1:1", c.Keyset },
		func(c *config.Config) {
			c.Audit.OTLP.URL, c.Audit.OTLP.CertFile, c.Audit.OTLP.KeyFile = "https://localhost", c.Keyset, c.Keyset
		},
	} {
		other := *c
		bad(&other)
		if _, err := New(t.Context(), &other, Options{Log: slog.New(slog.DiscardHandler)}); err == nil {
			t.Error("it starts with certificates that cannot be read")
		}
	}
}
