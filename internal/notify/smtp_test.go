package notify_test

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/notify/notifytest"
)

func sample(t *testing.T) notify.Mail {
	t.Helper()
	m, err := notify.Render("id", "Contoso", "", codeBody(notify.PurposeReset))
	if err != nil {
		t.Fatal(err)
	}
	m.To, m.MessageID, m.Date = "alain@example.net", "abc123@kunci.test", noon
	return m
}

func sender(t *testing.T, c notify.SMTPConfig) *notify.SMTP {
	t.Helper()
	s, err := notify.NewSMTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSMTPConversation(t *testing.T) {
	for name, o := range map[string]notifytest.Options{
		"in clear":               {},
		"starttls":               {TLS: notify.TLSStartTLS},
		"starttls with password": {TLS: notify.TLSStartTLS, Username: "kunci", Password: "s3cret pass"},
		"tls with password":      {TLS: notify.TLSImplicit, Username: "kunci", Password: "s3cret pass"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := notifytest.Start(t, o)
			s := sender(t, server.Config())
			if err := s.Check(t.Context()); err != nil {
				t.Fatalf("check: %v", err)
			}
			if n := server.Tries(); n != 0 {
				t.Fatalf("the check sent %d mails", n)
			}
			if err := s.Send(t.Context(), sample(t)); err != nil {
				t.Fatal(err)
			}
			got := server.Wait(t, 1)[0]
			if got.From != "no-reply@contoso.com" || got.To != "alain@example.net" || got.User != o.Username || got.TLS != (o.TLS != "") {
				t.Errorf("envelope %+v", got)
			}
			p := got.Parse(t)
			for key, want := range map[string]string{
				"From": `"Kunci" <no-reply@contoso.com>`, "To": "<alain@example.net>", "Message-Id": "<abc123@kunci.test>",
				"Auto-Submitted": "auto-generated", "Date": "Mon, 23 Nov 2026 12:00:00 +0000", "Content-Language": "id",
			} {
				if got := p.Header.Get(key); got != want {
					t.Errorf("%s is %q, want %q", key, got, want)
				}
			}
			if strings.Contains(p.RawHeader, "48151623") || p.Header.Get("Reply-To") != "" {
				t.Errorf("headers:\n%s", p.RawHeader)
			}
			if !strings.Contains(p.Text, "48151623") || !strings.Contains(p.HTML, "48151623") || !strings.Contains(p.Subject, "kata sandi") {
				t.Errorf("subject %q\n%s", p.Subject, p.Text)
			}
		})
	}
}

func TestStartTLSIsNotGivenUp(t *testing.T) {
	server := notifytest.Start(t, notifytest.Options{TLS: notify.TLSStartTLS, NoStartTLS: true})
	s := sender(t, server.Config())
	if err := s.Send(t.Context(), sample(t)); err == nil || notify.IsPermanent(err) {
		t.Errorf("sent in clear, or given up at once: %v", err)
	}
	if s.Check(t.Context()) == nil {
		t.Error("the check passes without STARTTLS")
	}
	if server.Tries() != 0 {
		t.Error("the mail was offered in clear")
	}
}

func TestUntrustedCertificateIsRefused(t *testing.T) {
	for _, mode := range []string{notify.TLSStartTLS, notify.TLSImplicit} {
		server := notifytest.Start(t, notifytest.Options{TLS: mode})
		c := server.Config()
		c.CAFile = notifytest.Start(t, notifytest.Options{}).Config().CAFile
		if err := sender(t, c).Send(t.Context(), sample(t)); err == nil || !strings.Contains(err.Error(), "not trusted") {
			t.Errorf("%s: %v", mode, err)
		}
		if server.Tries() != 0 {
			t.Errorf("%s: the mail was offered", mode)
		}
	}
}

func TestPasswordNeverGoesInClear(t *testing.T) {
	server := notifytest.Start(t, notifytest.Options{Username: "kunci", Password: "s3cret"})
	if err := sender(t, server.Config()).Send(t.Context(), sample(t)); err == nil {
		t.Error("PLAIN was used without TLS")
	}
}

func TestWrongPassword(t *testing.T) {
	server := notifytest.Start(t, notifytest.Options{TLS: notify.TLSStartTLS, Username: "kunci", Password: "right"})
	c := server.Config()
	c.Password = "wrong-secret"
	err := sender(t, c).Send(t.Context(), sample(t))
	if err == nil || notify.IsPermanent(err) || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("an operator's mistake must be mendable and not be shown: %v", err)
	}
}

func TestAnswersOfTheServer(t *testing.T) {
	for name, c := range map[string]struct {
		answer    error
		permanent bool
	}{
		"4xx": {notifytest.Refuse(451), false},
		"5xx": {notifytest.Refuse(550), true},
		"cut": {notifytest.Cut, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := notifytest.Start(t, notifytest.Options{Answer: func(int) error { return c.answer }})
			err := sender(t, server.Config()).Send(t.Context(), sample(t))
			if err == nil || notify.IsPermanent(err) != c.permanent {
				t.Fatalf("error %v, want permanent %v", err, c.permanent)
			}
			if strings.Contains(err.Error(), "alain") {
				t.Errorf("the error repeats the address: %v", err)
			}
		})
	}
}

func TestSilentServerIsLeft(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	s := sender(t, notify.SMTPConfig{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, From: "a@contoso.com"})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := s.Send(ctx, sample(t)); err == nil || notify.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}

func TestRecipientIsOnePlainAddress(t *testing.T) {
	server := notifytest.Start(t, notifytest.Options{})
	s := sender(t, server.Config())
	for _, to := range badAddresses {
		m := sample(t)
		m.To = to
		if err := s.Send(t.Context(), m); err == nil || !notify.IsPermanent(err) {
			t.Errorf("%q: %v", to, err)
		}
	}
	if server.Tries() != 0 {
		t.Error("a mail went out")
	}
}

func TestSMTPConfigIsChecked(t *testing.T) {
	good := notify.SMTPConfig{Host: "mail", Port: 25, TLS: notify.TLSNone, From: "Kunci <no-reply@contoso.com>", Password: "s3cret"}
	if _, err := notify.NewSMTP(good); err != nil {
		t.Fatal(err)
	}
	document, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(good.String()+good.GoString()+good.LogValue().String()+string(document), "s3cret") {
		t.Error("the configuration prints its password")
	}
	for name, change := range map[string]func(*notify.SMTPConfig){
		"no host":       func(c *notify.SMTPConfig) { c.Host = "" },
		"port":          func(c *notify.SMTPConfig) { c.Port = 70000 },
		"tls":           func(c *notify.SMTPConfig) { c.TLS = "maybe" },
		"from":          func(c *notify.SMTPConfig) { c.From = "nobody" },
		"from injected": func(c *notify.SMTPConfig) { c.From = "a@b.example\r\nBcc: c@d.example" },
		"ca":            func(c *notify.SMTPConfig) { c.CAFile = "/does/not/exist" },
	} {
		c := good
		change(&c)
		if _, err := notify.NewSMTP(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
