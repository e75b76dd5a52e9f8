package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kunci.dev/kunci/internal/app"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/demo"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

// inbox is a sender that hands every mail on.
type inbox chan notify.Mail

func (i inbox) Send(_ context.Context, m notify.Mail) error { i <- m; return nil }

// each runs a test on both engines with a new installation.
func each(t *testing.T, test func(t *testing.T, c *config.Config)) {
	for _, kind := range []store.Kind{store.SQLite, store.PostgreSQL} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			test(t, installation(t, kind))
		})
	}
}

func installation(t *testing.T, kind store.Kind) *config.Config {
	t.Helper()
	c := config.Defaults()
	c.Keyset = filepath.Join(t.TempDir(), "kunci.keyset")
	keys, err := secret.Generate()
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Write(c.Keyset); err != nil {
		t.Fatal(err)
	}
	c.Database = storetest.URL(t, kind)
	if _, err := app.Migrate(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

func open(t *testing.T, c *config.Config, o app.Options) *app.App {
	t.Helper()
	o.Log = quiet
	a, err := app.New(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// running is a node that serves.
type running struct {
	address string
	stop    context.CancelFunc
	ended   chan error
}

// run serves a until stop is called; change may set its handler before.
func run(t *testing.T, c *config.Config, o app.Options, change func(a *app.App)) *running {
	t.Helper()
	ready := make(chan string, 1)
	if o.Listener == nil {
		o.Listener = loopback(t)
	}
	o.Ready = func(address string) { ready <- address }
	a := open(t, c, o)
	if change != nil {
		change(a)
	}
	ctx, stop := context.WithCancel(t.Context())
	r := &running{stop: stop, ended: make(chan error, 1)}
	go func() { r.ended <- a.Run(ctx) }()
	t.Cleanup(func() { stop(); <-r.ended })
	select {
	case r.address = <-ready:
	case err := <-r.ended:
		r.ended <- err
		t.Fatalf("it does not serve: %v", err)
	}
	return r
}

func (r *running) end(t *testing.T) {
	t.Helper()
	r.stop()
	err := <-r.ended
	if err != nil {
		t.Errorf("it does not stop cleanly: %v", err)
	}
	r.ended <- nil // for the cleanup
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func client(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 20 * time.Second}
}

func TestHealthAndMetrics(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		l := loopback(t)
		c.Metrics.Listen = l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		r := run(t, c, app.Options{}, nil)
		web := client(t)
		for path, want := range map[string]string{"/healthz": "alive", "/readyz": "ready"} {
			if code, body := get(t, web, "http://"+r.address+path); code != http.StatusOK || strings.TrimSpace(body) != want {
				t.Errorf("%s: %d %q", path, code, body)
			}
		}
		if code, _ := get(t, web, "http://"+r.address+"/metrics"); code != http.StatusNotFound {
			t.Errorf("the pages' address shows metrics: %d", code)
		}
		code, body := get(t, web, "http://"+c.Metrics.Listen+"/metrics")
		if code != http.StatusOK {
			t.Fatalf("metrics: %d", code)
		}
		for _, want := range []string{
			"kunci_build_info{", `kunci_messages{state="queued"} 0`, `kunci_http_request_duration_seconds_count{method="GET",status="200"} 2`,
			`kunci_http_request_duration_seconds_count{method="GET",status="404"} 1`, "go_goroutines ",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("metrics lack %s", want)
			}
		}
		if strings.Contains(body, "healthz") {
			t.Error("metrics name paths")
		}
	})
}

// A request that was begun is answered although the node was told to stop.
func TestStoppingLetsRequestsFinish(t *testing.T) {
	c := installation(t, store.SQLite)
	inside, leave := make(chan struct{}), make(chan struct{})
	r := run(t, c, app.Options{}, func(a *app.App) {
		a.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inside)
			<-leave
			_, _ = io.WriteString(w, "done")
		})
	})
	answered := make(chan string, 1)
	web := client(t)
	go func() {
		response, err := web.Get("http://" + r.address + "/slow")
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-inside
	r.stop()
	// New ones are not taken any more; a refused connection is the event that
	// says so.
	for {
		conn, err := net.Dial("tcp", r.address)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	select {
	case err := <-r.ended:
		t.Fatalf("it stopped with a request open: %v", err)
	default:
	}
	close(leave)
	if got := <-answered; got != "done" {
		t.Errorf("the request got %q", got)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	r.ended <- nil
}

// What waits in the queue when a node stops is sent by the next one.
func TestTheQueueSurvivesARestart(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		first := open(t, c, app.Options{Sender: make(inbox)})
		if _, err := first.Apply(t.Context(), strings.NewReader(contoso), ""); err != nil {
			t.Fatal(err)
		}
		o, err := first.Organization(t.Context(), "contoso")
		if err != nil {
			t.Fatal(err)
		}
		err = first.DB.Write(t.Context(), func(tx *store.Tx) error {
			_, err := first.Notify.Queue(t.Context(), tx, notify.Message{
				Org: o, To: "alain@example.net", Lang: "en", Body: notify.PasswordNotice{What: notify.PasswordReset, UserID: "alain@contoso.com", At: tx.Now()},
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		sent := make(inbox, 1)
		r := run(t, c, app.Options{Sender: sent}, nil)
		if m := <-sent; m.To != "alain@example.net" {
			t.Errorf("sent to %s", m.To)
		}
		r.end(t)
	})
}

// Events get their place in the log, and the log verifies.
func TestEventsAreSequenced(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := open(t, c, app.Options{})
		if _, err := a.Checkpoint(t.Context()); err == nil {
			t.Error("an empty log has a checkpoint")
		}
		if _, err := a.Apply(t.Context(), strings.NewReader(contoso), ""); err != nil {
			t.Fatal(err)
		}
		text, err := a.Checkpoint(t.Context())
		if err != nil || !strings.HasPrefix(text, "kunci.dev/log/") {
			t.Errorf("%q, %v", text, err)
		}
		report, err := a.Audit.Verify(t.Context(), text)
		if err != nil || !report.OK() || report.Records == 0 || report.Waiting != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		var exported strings.Builder
		n, err := a.Export(t.Context(), &exported, audit.Query{})
		if err != nil || n < 3 || !json.Valid([]byte(strings.SplitN(exported.String(), "\n", 2)[0])) {
			t.Errorf("%d events, %v:\n%s", n, err, exported.String())
		}
	})
}

func TestANodeThatCannotWorkSaysSo(t *testing.T) {
	each(t, func(t *testing.T, c *config.Config) {
		a := open(t, c, app.Options{})
		if _, err := a.Apply(t.Context(), strings.NewReader(contoso), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		other := installation(t, store.SQLite)
		wrong := *c
		wrong.Keyset = other.Keyset
		empty := *c
		empty.Database = "sqlite:" + filepath.Join(t.TempDir(), "new.db")
		lost := *c
		lost.Keyset = "/nowhere/kunci.keyset"
		for want, c := range map[string]*config.Config{
			"does not belong to this database": &wrong,
			"run: kunci migrate":               &empty,
			"kunci init":                       &lost,
		} {
			if _, err := app.New(t.Context(), c, app.Options{Log: quiet}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("want %q, got %v", want, err)
			}
		}
	})
}

func TestATakenAddressIsNamed(t *testing.T) {
	c := installation(t, store.SQLite)
	l := loopback(t)
	defer l.Close()
	c.Listen = l.Addr().String()
	a := open(t, c, app.Options{})
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.Listen) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("got %v", err)
	}
	c.Listen, c.Metrics.Listen = "127.0.0.1:0", l.Addr().String()
	if err := a.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "metrics.listen") {
		t.Errorf("got %v", err)
	}
}

func TestInit(t *testing.T) {
	folder := t.TempDir()
	o := app.InitOptions{
		Config: filepath.Join(folder, "etc", "kunci.yaml"), PublicURL: "https://reset.contoso.com", Listen: "127.0.0.1:9000", SMTP: "smtp.contoso.com:587",
	}
	c, err := app.Init(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if c.PublicURL != o.PublicURL || c.Listen != o.Listen || c.SMTP.Host != "smtp.contoso.com" || c.SMTP.Port != 587 || c.SMTP.TLS != "starttls" {
		t.Errorf("settings %+v", c)
	}
	for _, path := range []string{o.Config, c.Keyset, strings.TrimPrefix(c.Database, "sqlite:")} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || filepath.Dir(path) != filepath.Join(folder, "etc") {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	open(t, c, app.Options{})
	// Each of the three alone is enough to stop it.
	for _, keep := range []string{o.Config, c.Keyset, strings.TrimPrefix(c.Database, "sqlite:")} {
		other := filepath.Join(t.TempDir(), filepath.Base(keep))
		if err := os.WriteFile(other, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		again := o
		again.Config = filepath.Join(filepath.Dir(other), "kunci.yaml")
		if _, err := app.Init(t.Context(), again); err == nil || !strings.Contains(err.Error(), "not overwritten") {
			t.Errorf("beside %s: %v", filepath.Base(keep), err)
		}
		if text, err := os.ReadFile(other); err != nil || string(text) != "precious" {
			t.Errorf("%s was touched: %q, %v", filepath.Base(keep), text, err)
		}
		if entries, _ := os.ReadDir(filepath.Dir(other)); len(entries) != 1 {
			t.Errorf("something was left beside %s: %v", filepath.Base(keep), entries)
		}
	}
}

func TestInitTakesAwayWhatItCannotFinish(t *testing.T) {
	for name, o := range map[string]app.InitOptions{
		"a database that is not there":  {Database: "postgres://kunci@127.0.0.1:1/kunci"},
		"a clear address":               {PublicURL: "http://reset.contoso.com"},
		"a mail server without a port":  {SMTP: "smtp.contoso.com"},
		"a mail server's port in words": {SMTP: "smtp.contoso.com:smtp"},
		"a listener without a port":     {Listen: "localhost"},
	} {
		folder := t.TempDir()
		o.Config = filepath.Join(folder, "kunci.yaml")
		if _, err := app.Init(t.Context(), o); err == nil {
			t.Errorf("%s was taken", name)
		}
		if entries, _ := os.ReadDir(folder); len(entries) > 0 {
			t.Errorf("%s leaves %v", name, entries)
		}
	}
	if _, err := app.Init(t.Context(), app.InitOptions{}); err == nil {
		t.Error("no configuration was named")
	}
	// A database that is in use has a keyset already.
	c := installation(t, store.PostgreSQL)
	o := app.InitOptions{Config: filepath.Join(t.TempDir(), "kunci.yaml"), Database: c.Database}
	if _, err := app.Init(t.Context(), o); err == nil || !strings.Contains(err.Error(), "holds an installation already") {
		t.Errorf("got %v", err)
	}
}

func TestRotatedKeysOpenWhatOlderOnesSealed(t *testing.T) {
	c := installation(t, store.SQLite)
	before := open(t, c, app.Options{})
	sealed, err := before.Keys.Seal([]byte("seed"), "row")
	if err != nil {
		t.Fatal(err)
	}
	if err := app.RotateKeys(c); err != nil {
		t.Fatal(err)
	}
	after := open(t, c, app.Options{})
	if plain, err := after.Keys.Open(sealed, "row"); err != nil || string(plain) != "seed" {
		t.Errorf("%q, %v", plain, err)
	}
	fresh, err := after.Keys.Seal([]byte("seed"), "row")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := before.Keys.Open(fresh, "row"); err == nil {
		t.Error("the old keys open what the new one sealed: nothing was rotated")
	}
}

// The demonstration starts, is filled, answers and stops.
func TestDemo(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan string, 1), make(chan error, 1)
	data := t.TempDir()
	var once sync.Once
	start := func() {
		go func() {
			ended <- app.Demo(ctx, demo.Options{Listen: "127.0.0.1:0", Data: data, Log: quiet, Ready: func(url string) { ready <- url }})
		}()
	}
	defer once.Do(stop)
	start()
	select {
	case url := <-ready:
		if code, body := get(t, client(t), url+"/demo"); code != http.StatusOK || !strings.Contains(body, "alain@contoso.com") {
			t.Errorf("%d: %.200s", code, body)
		}
	case err := <-ended:
		t.Fatal(err)
	}
	once.Do(stop)
	if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// Kept data is opened again.
	ctx, stop = context.WithCancel(t.Context())
	defer stop()
	start()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	stop()
	<-ended
}

const contoso = `organization: contoso
name: Contoso
domains: [contoso.com]
administrators: [{user_id: adele@contoso.com, role: owner}]
`
