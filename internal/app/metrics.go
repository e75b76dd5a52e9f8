package app

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/store"
)

// figures are a node's metrics, in a registry of its own. No label ever holds
// what a person typed or is called: neither paths nor organizations.
type figures struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
	inFlight prometheus.Gauge
}

func newFigures(a *App) *figures {
	v := ThisVersion()
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "kunci_http_request_duration_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "status"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "kunci_http_requests_in_flight", Help: "Requests being answered."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "kunci_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": v.Version, "commit": v.Commit, "go": v.Go},
	})
	build.Set(1)
	f.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		f.requests, f.inFlight, build, &messages{a}, &streamFigures{a},
	)
	return f
}

func (f *figures) page() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{Registry: f.registry}))
	return mux
}

// count measures what a handler answers.
func (f *figures) count(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.inFlight.Inc()
		defer f.inFlight.Dec()
		began := time.Now()
		seen := &status{ResponseWriter: w, code: http.StatusOK}
		h.ServeHTTP(seen, r)
		f.requests.WithLabelValues(knownMethod(r.Method), strconv.Itoa(seen.code)).Observe(time.Since(began).Seconds())
	})
}

// knownMethod keeps strangers from making a label of every word they send.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost:
		return m
	}
	return "other"
}

// status remembers what was answered.
type status struct {
	http.ResponseWriter
	code int
	sent bool
}

func (s *status) WriteHeader(code int) {
	if !s.sent {
		s.code, s.sent = code, code >= 200 // 1xx is not the answer yet
	}
	s.ResponseWriter.WriteHeader(code)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *status) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// messages counts, when it is asked, what became of the messages of a day. The
// counts are of the whole installation: look at one node's.
type messages struct{ app *App }

var messagesToday = prometheus.NewDesc("kunci_messages", "Messages queued within 24 hours, by what became of them.", []string{"state"}, nil)

// Describe is part of prometheus.Collector.
func (m *messages) Describe(out chan<- *prometheus.Desc) { out <- messagesToday }

// Collect is part of prometheus.Collector, which knows no context.
func (m *messages) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var counts map[notify.State]int
	err := m.app.DB.Read(ctx, func(tx *store.Tx) (err error) {
		counts, err = m.app.Notify.Count(ctx, tx, tx.Now().Add(-24*time.Hour))
		return err
	})
	if err != nil {
		out <- prometheus.NewInvalidMetric(messagesToday, err)
		return
	}
	for _, state := range []notify.State{notify.Queued, notify.Sent, notify.Failed, notify.Expired} {
		out <- prometheus.MustNewConstMetric(messagesToday, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}
