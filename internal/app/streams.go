package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/stream"
)

// streams builds what the audit log is handed on to.
func (a *App) streams() (err error) {
	targets, err := streamTargets(a.Config)
	if err != nil {
		return err
	}
	a.Streams, err = stream.New(stream.Deps{DB: a.DB, Audit: a.Audit, Orgs: a.Orgs, Log: a.Log, Targets: targets})
	return err
}

func streamTargets(c *config.Config) (all []stream.Target, err error) {
	if s := c.Audit.Syslog; s.URL != "" {
		network, address, _ := s.Target() // the configuration was checked
		o := stream.SyslogConfig{Network: network, Address: address, Facility: s.Facility, Enterprise: s.Enterprise, Host: publicHost(c)}
		if network == "tls" {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return nil, fmt.Errorf("audit.syslog.url: %w", err)
			}
			if o.TLS, err = clientTLS(host, s.CAFile, s.CertFile, s.KeyFile); err != nil {
				return nil, fmt.Errorf("audit.syslog: %w", err)
			}
		}
		all = append(all, stream.Target{Name: "syslog", Sink: stream.NewSyslog(o), People: s.Identifiers, History: s.History})
	}
	switch j := c.Audit.JSON; j.File {
	case "":
	case "-":
		all = append(all, stream.Target{Name: "json", Sink: stream.NewWriter(os.Stdout), People: j.Identifiers, History: j.History})
	default:
		all = append(all, stream.Target{Name: "json", Sink: stream.NewLines(j.File), People: j.Identifiers, History: j.History})
	}
	if o := c.Audit.OTLP; o.URL != "" {
		t, err := clientTLS("", o.CAFile, o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("audit.otlp: %w", err)
		}
		sink := stream.NewOTLP(stream.OTLPConfig{URL: o.URL, Header: o.Header, TLS: t, Service: "kunci", Version: ThisVersion().Version})
		all = append(all, stream.Target{Name: "otlp", Sink: sink, People: o.Identifiers, History: o.History})
	}
	return all, nil
}

// publicHost is the name that every node has in common.
func publicHost(c *config.Config) string {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// clientTLS trusts the system's issuers, or those of a file alone.
func clientTLS(host, caFile, certFile, keyFile string) (*tls.Config, error) {
	t := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if caFile != "" {
		data, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("ca_file cannot be read: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("ca_file %s holds no certificate (PEM)", caFile)
		}
	}
	if certFile != "" {
		// Read again for each connection: a renewed certificate needs no restart.
		if _, err := tls.LoadX509KeyPair(certFile, keyFile); err != nil {
			return nil, fmt.Errorf("cert_file and key_file: %w", err)
		}
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			return &pair, err
		}
	}
	return t, nil
}

// streamLate is from when on a stream that is behind is a fault.
const streamLate = 10 * time.Minute

// streams looks whether collectors can be reached and have what happened.
func (d *doctor) streams(ctx context.Context, a *App) {
	ctx, cancel := context.WithTimeout(ctx, smtpTimeout)
	defer cancel()
	reached := a.Streams.Check(ctx)
	var states []stream.State
	err := a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		states, err = a.Streams.States(ctx, tx)
		return err
	})
	if err != nil {
		d.bad("audit streams", "see that the database answers", "their places cannot be read: %v", err)
		return
	}
	for _, s := range states {
		name := "audit " + s.Name
		mend := "see the keys below audit." + s.Name + ", and that this machine may reach the collector; nothing is lost meanwhile"
		waits := fmt.Sprintf("%d events wait", s.Behind)
		if s.Age > 0 {
			waits += fmt.Sprintf(", the oldest for %v", s.Age.Round(time.Second))
		}
		switch failure := reached[s.Name]; {
		case failure != nil:
			d.bad(name, mend, "the collector cannot be reached (%v); %s", failure, waits)
		case !s.FailingSince.IsZero():
			d.bad(name, mend, "the collector has not taken events since %s (%s); %s", s.FailingSince.Format(time.DateTime), s.LastError, waits)
		case s.Age > streamLate:
			d.bad(name, "see that a node runs, and what its log says of this stream", "it is behind: %s", waits)
		case s.LastError != "":
			d.bad(name, "see what the collector's log says, and export these events: kunci audit export", "the collector refused events for good (%s); %s", s.LastError, waits)
		default:
			d.good(name, "the collector can be reached; %s", waits)
		}
	}
}

// streamFigures are asked for with the metrics. They are of the whole
// installation: look at one node's.
type streamFigures struct{ app *App }

var (
	streamBehind  = prometheus.NewDesc("kunci_audit_stream_lag_events", "Events that wait to be handed to a collector.", []string{"stream"}, nil)
	streamAge     = prometheus.NewDesc("kunci_audit_stream_lag_seconds", "How long the oldest event waits to be handed to a collector.", []string{"stream"}, nil)
	streamFailing = prometheus.NewDesc("kunci_audit_stream_failing", "1 while a collector does not take events.", []string{"stream"}, nil)
)

// Describe is part of prometheus.Collector.
func (f *streamFigures) Describe(out chan<- *prometheus.Desc) {
	out <- streamBehind
	out <- streamAge
	out <- streamFailing
}

// Collect is part of prometheus.Collector, which knows no context.
func (f *streamFigures) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var states []stream.State
	err := f.app.DB.Read(ctx, func(tx *store.Tx) (err error) {
		states, err = f.app.Streams.States(ctx, tx)
		return err
	})
	if err != nil {
		out <- prometheus.NewInvalidMetric(streamBehind, errors.New("the places of the streams cannot be read"))
		return
	}
	for _, s := range states {
		failing := 0.0
		if !s.FailingSince.IsZero() {
			failing = 1
		}
		out <- prometheus.MustNewConstMetric(streamBehind, prometheus.GaugeValue, float64(s.Behind), s.Name)
		out <- prometheus.MustNewConstMetric(streamAge, prometheus.GaugeValue, s.Age.Seconds(), s.Name)
		out <- prometheus.MustNewConstMetric(streamFailing, prometheus.GaugeValue, failing, s.Name)
	}
}
