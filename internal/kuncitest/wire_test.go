package kuncitest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// wire sends bytes as they are and gives the statuses of everything that came back
// before the server closed, or said nothing more for half a second.
func wire(t *testing.T, p *kuncitest.Product, raw string) (statuses []int, body string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, raw); err != nil {
		t.Log(err) // the server closed before it read everything; what it said counts
	}
	in := bufio.NewReader(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if len(statuses) > 0 {
			_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond)) // as above
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses, body
		}
		data, _ := io.ReadAll(answer.Body) // what came counts
		statuses, body = append(statuses, answer.StatusCode), body+string(data)
	}
}

// What can be read in two ways is refused, and what follows it is not taken for another
// request: a proxy in front may have read it in the other way (RFC 9112, 6.1 and 11.2).
func TestWhatCanBeReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	host := strings.TrimPrefix(p.URL, "http://")
	const hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	post := func(header, body string) string {
		return "POST /reset HTTP/1.1\r\nHost: " + host + "\r\nOrigin: " + p.URL + "\r\nContent-Type: application/x-www-form-urlencoded\r\n" + header + "\r\n" + body
	}
	get := func(target, header string) string {
		return "GET " + target + " HTTP/1.1\r\n" + header + "\r\n"
	}
	ours := "Host: " + host + "\r\n"
	for name, test := range map[string]struct {
		raw    string
		status int
	}{
		"two lengths":                  {post("Content-Length: 9\r\nContent-Length: 46\r\n", "user_id=a"+hidden), 400},
		"a length with a sign":         {post("Content-Length: +9\r\n", "user_id=a"+hidden), 400},
		"a length and chunks":          {post("Content-Length: 9\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), 303},
		"chunks":                       {post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), 303},
		"an encoding nobody knows":     {post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+hidden), 501},
		"chunked twice":                {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"+hidden), 501},
		"a chunk with a sign":          {post("Transfer-Encoding: chunked\r\n", "+9\r\nuser_id=a\r\n0\r\n\r\n"), 400},
		"a blank before the colon":     {post("Content-Length : 9\r\n", "user_id=a"+hidden), 400},
		"no host":                      {get("/reset", ""), 400},
		"two hosts":                    {get("/reset", ours+"Host: evil.example\r\n"), 400},
		"another host in the target":   {get("http://evil.example/reset", ours), 421},
		"another host, ours in target": {get("http://"+host+"/reset", "Host: evil.example\r\n"), 200},
		"a host with a path":           {get("/reset", "Host: "+host+"/evil\r\n"), 400},
		"a tunnel":                     {"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 421},
		"a NUL in a header":            {get("/reset", ours+"X-A: a\x00b\r\n"), 400},
		"a header over two lines":      {get("/reset", ours+"X-A\r\n : b\r\n"), 400},
		"large headers":                {get("/reset", ours+"Cookie: a="+strings.Repeat("x", 64<<10)+"\r\n"), 431},
		"a long address":               {get("/reset/"+strings.Repeat("x", 3000), ours), 413},
		"another protocol":             {"GET /reset HTTP/3.7\r\n" + ours + "\r\n", 505},
	} {
		statuses, body := wire(t, p, test.raw)
		if len(statuses) == 0 || statuses[0] != test.status {
			t.Errorf("%s: %v, want %d", name, statuses, test.status)
		}
		if len(statuses) > 1 || strings.Contains(body, "alive") || strings.Contains(body, "evil") {
			t.Errorf("%s: what was hidden in it was answered: %v %s", name, statuses, body)
		}
	}
}

// A connection that never comes to an end of its header is closed, and one that sends
// its form a byte at a time too: neither holds anything that others need.
func TestSlowConnectionsAreClosed(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite})
	host := strings.TrimPrefix(p.URL, "http://")
	var open []net.Conn
	for n := range 200 {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "GET /reset HTTP/1.1\r\nHost: "+host+"\r\nX-"+strconv.Itoa(n)+": "); err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	if page := p.Browser().Get("/reset"); page.Status != http.StatusOK {
		t.Errorf("others meanwhile: %d", page.Status)
	}
	for _, conn := range open[:5] {
		if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a header without end keeps its connection")
		}
	}
}

// However an address is written, it leads nowhere else: not around the question who
// somebody is, and not to another site.
func TestAnAddressWrittenOtherwiseOpensNothing(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, Organization: consoleOrganization, Accounts: consolePeople})
	host := strings.TrimPrefix(p.URL, "http://")
	for _, target := range []string{
		"//console", "/./console", "/x/../console", "/console/.", "/console/", "/console;x", "/console%2f", "/console%5c", "/%63onsole", "/CONSOLE", "/console.", "/console%00",
		"/reset/..%2fconsole", "/reset/%2e%2e/console", "/static/../console", "/static/..%2f..%2fconsole", "/help/..;/console", "/healthz/../console", "/console?/healthz", "/console#/healthz",
		"/security-info/", "//security-info", "/signin/..;/security-info", "/security%2dinfo", "/password%20", "/%2570assword",
		"//evil.example", "//evil.example/..", "/\\evil.example", "/%5cevil.example", "/%2f%2fevil.example", "/.//evil.example", "///evil.example/%2e%2e", "/console//evil.example",
		"//evil.example/%2f..", "/reset//evil.example/../..//evil.example", "/signin?next=//evil.example", "/signin?next=https:evil.example", "/signin?next=/\\evil.example",
		"/api/v1/orgs/contoso/../contoso/people", "/api//v1/orgs/contoso/people", "/api/v1/orgs/contoso/people;x", "/api/..;/v1/orgs/contoso/people", "/API/v1/orgs/contoso/people",
		"/api/v2/orgs/contoso/people", "/api/v1/orgs/contoso%2fpeople", "/api/./v1/orgs/contoso/people", "/help/../api/v1/orgs/contoso/people",
	} {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		data, err := io.ReadAll(answer.Body)
		_ = conn.Close()
		if err != nil {
			t.Fatalf("%s: %v", target, err)
		}
		to := answer.Header.Get("Location")
		if to != "" && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.HasPrefix(to, "/\\")) {
			t.Errorf("%s leads to %s", target, to)
		}
		if answer.StatusCode >= http.StatusInternalServerError || strings.Contains(string(data), `data-page="console`) || strings.Contains(string(data), `data-page="security-info`) ||
			strings.Contains(string(data), `data-page="password"`) || strings.Contains(string(data), "alain@contoso.com") {
			t.Errorf("%s: %d %.200s", target, answer.StatusCode, data)
		}
	}
}
