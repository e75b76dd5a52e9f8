package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap/ldaptest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/store/storetest"
)

// balancer stands before nodes and sends everybody to one of them.
type balancer struct {
	*httptest.Server
	to atomic.Pointer[url.URL]
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := new(balancer)
	b.Server = httptest.NewServer(&httputil.ReverseProxy{ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(b.to.Load())
		r.Out.Host = r.In.Host
	}})
	t.Cleanup(b.Close)
	return b
}

func (b *balancer) send(n *node) { b.to.Store(&url.URL{Scheme: "http", Host: n.address}) }

// Two nodes share a PostgreSQL and a slapd. The one that serves somebody is killed
// when the password is in the directory and nobody has said so yet; the other goes
// on where they were. The person presses the button again, once.
func TestKillANodeBetweenTheDirectoryAndTheRecord(t *testing.T) {
	const old, pw = "teapot harbour violin", "tujuh kuda minum kopi"
	slapd := ldaptest.StartSlapd(t, ldaptest.SlapdOptions{})
	dn := slapd.AddPerson(t, "alain@contoso.com", old, nil)
	late := ldaptest.StartProxy(t, slapd.URL)
	mail := notifytest.Start(t, notifytest.Options{})
	front := newBalancer(t)
	one := newNode(t, mail, installation{
		database: storetest.EmptyURL(t), publicURL: front.URL, people: "user_id,email\nalain@contoso.com,alain@example.net\n",
		organization: strings.Replace(kuncitest.Contoso, "\npolicy:", fmt.Sprintf(`
directory:
  kind: ldap
  dialect: openldap
  urls: [%s]
  bind_dn: %q
  bind_password_file: %s
  ca_file: %s
  base_dn: %q
policy:`, late.URL, ldaptest.Service, slapd.PasswordFile, slapd.Authority.File, ldaptest.People), 1),
	})
	two := one.beside()
	one.start()
	two.start()
	defer func() { _ = two.stop(syscall.SIGTERM) }()
	front.send(one)
	b := kuncitest.NewBrowser(t, front.URL)
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
	b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
	b.Post("/reset/verify", "code", codeIn(mail.Wait(t, 1)[0].Parse(t).Text), "action", "verify").Want(http.StatusOK, "reset-password")

	before := slapd.Read(t, dn).GetAttributeValue("pwdChangedTime")
	late.Delay(time.Second) // the node hears so much later what slapd has done
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		_, _ = b.Clone().Do(http.MethodPost, "/reset/password", url.Values{"new_password": {pw}, "confirm_password": {pw}}) // the connection is cut
	}()
	deadline := time.Now().Add(20 * time.Second)
	for slapd.Read(t, dn).GetAttributeValue("pwdChangedTime") == before {
		if time.Now().After(deadline) {
			t.Fatal("nothing was written")
		}
	}
	one.end()
	<-cut
	late.Heal()
	if completed(two) != 0 {
		t.Fatal("the node was killed too late: it had said that it is done")
	}
	front.send(two)
	b.Post("/reset/password", "new_password", pw, "confirm_password", pw).Want(http.StatusOK, "reset-done")
	if after := slapd.Read(t, dn); len(after.GetAttributeValues("userPassword")) != 1 {
		t.Errorf("%d passwords", len(after.GetAttributeValues("userPassword")))
	}
	if n := completed(two); n != 1 {
		t.Errorf("completed %d times", n)
	}
	if got := two.check("alain@contoso.com", pw); got != directory.OK {
		t.Errorf("the new password: %s", got)
	}
	if got := two.check("alain@contoso.com", old); got != directory.Wrong {
		t.Errorf("the old password: %s", got)
	}
	if out := two.command("audit", "verify"); !strings.Contains(out, "nothing in the log was changed") {
		t.Errorf("the log: %s", out)
	}
}

// completed is how many resets are recorded as done.
func completed(n *node) int {
	return strings.Count(n.command("audit", "export", "--org", "contoso"), string(audit.ResetCompleted))
}
