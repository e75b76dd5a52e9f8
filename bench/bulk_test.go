package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/notify/notifytest"
)

// BenchmarkBulk sends an account file with a pre-registered mailbox for everybody to a
// node of its own, over the API, follows its progress until it is applied, and takes
// everybody out again. Every row counts once; the goal is 1,000,000 rows in memory that
// does not grow with them: compare two sizes.
//
//	go test -run '^$' -bench Bulk -benchtime 1000000x -timeout 60m ./bench/
func BenchmarkBulk(b *testing.B) {
	mail := notifytest.Start(b, notifytest.Options{})
	n := install(b, mail, "", "")
	n.serve(b)
	c := &bulkClient{b: b, base: n.public + "/api/v1/orgs/contoso", key: n.apiKey(b)}
	b.ResetTimer()
	began := time.Now()
	file, into := io.Pipe()
	go func() { // written while it is sent: the bench holds no file
		w := bufio.NewWriter(into)
		for i := range b.N {
			_, _ = fmt.Fprintf(w, "{\"user_id\":\"p%d@contoso.com\",\"email\":\"p%d@example.net\"}\n", i, i) // the pipe tells
		}
		_ = w.Flush()
		_ = into.Close()
	}()
	id := c.imported(c.do(http.MethodPost, "/imports", file, http.StatusAccepted)).ID
	sent := time.Since(began)
	_, seen := c.follow(id, "checked")
	checked := time.Since(began)
	c.do(http.MethodPost, "/imports/"+id+"/apply", strings.NewReader("{}"), http.StatusAccepted).Close()
	done, more := c.follow(id, "done")
	applied := time.Since(began) - checked
	if done.Created != b.N || done.Methods != b.N || done.Bad != 0 {
		b.Fatalf("%+v of %d", done, b.N)
	}
	began = time.Now()
	lines, out := 0, c.do(http.MethodPost, "/exports", http.NoBody, http.StatusOK)
	for rows := bufio.NewScanner(out); rows.Scan(); {
		lines++
	}
	_ = out.Close()
	exported := time.Since(began)
	if lines != b.N {
		b.Fatalf("%d of %d came out", lines, b.N)
	}
	rate := func(took time.Duration) float64 { return float64(b.N) / took.Seconds() }
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate(sent), "sent/s")
	b.ReportMetric(rate(checked), "checked/s")
	b.ReportMetric(rate(applied), "applied/s")
	b.ReportMetric(rate(exported), "exported/s")
	b.ReportMetric(float64(seen+more), "percents-seen")
	b.ReportMetric(resident(b, n.pid(), "VmHWM"), "peak-MiB")
}

// apiKey makes a key of an owner.
func (n *node) apiKey(b *testing.B) string {
	b.Helper()
	command := exec.Command(n.binary, "api-key", "create", "--config", n.config, "--org", "contoso", "--name", "bench", "--role", "owner", "--json")
	command.Dir = n.folder
	out, err := command.Output()
	var made struct{ Key string }
	if err == nil {
		err = json.Unmarshal(out, &made)
	}
	if err != nil || made.Key == "" {
		b.Fatalf("no key: %v", err)
	}
	return made.Key
}

// bulkClient is a program that moves people in and out.
type bulkClient struct {
	b         *testing.B
	base, key string
}

type bulkState struct {
	ID, State    string
	Percent, Bad int
	Created      int
	Methods      int `json:"methods_added"`
}

func (c *bulkClient) do(method, path string, body io.Reader, status int) io.ReadCloser {
	c.b.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, c.base+path, body)
	if err != nil {
		c.b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	if path == "/imports" {
		request.Header.Set("Content-Type", "application/x-ndjson")
	}
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		c.b.Fatal(err)
	}
	if response.StatusCode != status {
		said, _ := io.ReadAll(response.Body) // what there is of it
		_ = response.Body.Close()
		c.b.Fatalf("%s %s: %d %s", method, path, response.StatusCode, said)
	}
	return response.Body
}

func (c *bulkClient) imported(body io.ReadCloser) (s bulkState) {
	c.b.Helper()
	defer body.Close()
	if err := json.NewDecoder(body).Decode(&s); err != nil {
		c.b.Fatal(err)
	}
	return s
}

// follow asks until a step is over, and counts how many different percents it saw.
func (c *bulkClient) follow(id, until string) (s bulkState, seen int) {
	c.b.Helper()
	last, tick := -1, time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	for {
		s = c.imported(c.do(http.MethodGet, "/imports/"+id, http.NoBody, http.StatusOK))
		if s.State == until {
			return s, seen
		}
		if s.State == "failed" || s.State == "unreadable" || s.State == "cancelled" {
			c.b.Fatalf("%+v", s)
		}
		if s.Percent != last {
			last = s.Percent
			seen++
		}
		<-tick.C
	}
}
