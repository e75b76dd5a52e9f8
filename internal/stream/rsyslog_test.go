package stream_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/stream"
)

// rsyslogd is told to write what it understood, property by property.
const rsyslogConf = `
global(workDirectory="%[1]s" maxMessageSize="64k" defaultNetstreamDriverCAFile="%[1]s/cert.pem"
  defaultNetstreamDriverCertFile="%[1]s/cert.pem" defaultNetstreamDriverKeyFile="%[1]s/key.pem")
module(load="imtcp" streamDriver.name="ossl" streamDriver.mode="1" streamDriver.authMode="anon")
input(type="imtcp" address="127.0.0.1" port="%[2]s")
template(name="understood" type="list" option.jsonf="on") {
  property(outname="pri" name="pri" format="jsonf")
  property(outname="timestamp" name="timestamp" dateFormat="rfc3339" format="jsonf")
  property(outname="host" name="hostname" format="jsonf")
  property(outname="app" name="app-name" format="jsonf")
  property(outname="msgid" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}
action(type="omfile" file="%[1]s/out.json" template="understood")
`

// A real rsyslogd takes the messages over TLS and understands every part of them.
func TestRsyslogUnderstandsIt(t *testing.T) {
	program, err := exec.LookPath("rsyslogd")
	if err != nil {
		t.Fatal("rsyslogd is not installed; run: scripts/parts install")
	}
	each(t, func(r *room) {
		folder := t.TempDir()
		_, pool := certificate(t, folder)
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, err := net.SplitHostPort(free.Addr().String())
		if err != nil || free.Close() != nil {
			t.Fatal(err)
		}
		conf := filepath.Join(folder, "rsyslog.conf")
		if err := os.WriteFile(conf, fmt.Appendf(nil, rsyslogConf, folder, port), 0o600); err != nil {
			t.Fatal(err)
		}
		server := exec.Command(program, "-n", "-f", conf, "-i", filepath.Join(folder, "pid"))
		server.Stderr = t.Output()
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = server.Process.Kill() // its files go with the folder
			_ = server.Wait()
		})
		sink := stream.NewSyslog(stream.SyslogConfig{
			Network: "tls", Address: net.JoinHostPort("127.0.0.1", port), Facility: 13, Enterprise: 32473, Host: "reset.contoso.com",
			TLS: &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12},
		})
		until(t, "rsyslogd listens", func() bool { return sink.Check(t.Context()) == nil })
		s := r.service(stream.Target{Name: "syslog", Sink: sink, People: true})
		r.run(s)
		first := r.size()
		r.happen(250) // more than one batch
		r.run(s)
		if at := r.state(s); at.Behind != 0 || at.LastError != "" {
			t.Fatalf("%+v", at)
		}
		var lines []string
		until(t, "rsyslogd has written everything", func() bool {
			data, _ := os.ReadFile(filepath.Join(folder, "out.json")) // not there yet
			lines = strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
			return len(lines) >= 250 && strings.HasSuffix(string(data), "\n")
		})
		if len(lines) != 250 {
			t.Fatalf("%d messages", len(lines))
		}
		for i, line := range lines {
			var m struct{ Pri, Timestamp, Host, App, Msgid, Data, Text string }
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			values := make(map[string]string)
			for _, p := range param.FindAllStringSubmatch(m.Data, -1) {
				values[p[1]] = unescape.Replace(p[2])
			}
			if m.Host != "reset.contoso.com" || m.App != "kunci" || m.Msgid != "reset.refused" || m.Pri != []string{"110", "109", "108"}[i%3] ||
				!strings.HasPrefix(m.Text, "\ufeffreset.refused ") || values["user_agent"] != nasty || values["leaf"] != strconv.FormatInt(first+int64(i), 10) {
				t.Fatalf("message %d was not understood: %s", i, line)
			}
		}
	})
}

// until asks again and again for some seconds.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within 20 seconds", what)
		}
	}
}
