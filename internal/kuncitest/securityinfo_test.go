package kuncitest_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// person is somebody who is signed in in a browser, by a session made directly.
type person struct {
	*kuncitest.Browser
	t       *testing.T
	p       *kuncitest.Product
	account account.Account
	session session.Session
}

// signedIn gives a browser in which a person is signed in; factor is the method
// that was proved, empty: the password alone.
func signedIn(t *testing.T, p *kuncitest.Product, userID, factor string) *person {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	me := &person{t: t, p: p, account: a, Browser: p.Browser()}
	var token string
	err = p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
		b, fresh, err := p.App.Sessions.Open(t.Context(), tx, "")
		if err != nil {
			return err
		}
		token = fresh
		me.session, err = p.App.Sessions.Begin(t.Context(), tx, b.ID, session.Begin{OrgID: a.OrgID, AccountID: a.ID, UserID: userID, Level: session.Full})
		if err != nil || factor == "" {
			return err
		}
		token, err = p.App.Sessions.Prove(t.Context(), tx, me.session.ID, factor)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	me.SetCookie("kunci-session", token)
	return me
}

// proveNow proves the session again, as /signin/verify does.
func (me *person) proveNow(factor string) {
	me.t.Helper()
	err := me.p.App.DB.Write(me.t.Context(), func(tx *store.Tx) error {
		token, err := me.p.App.Sessions.Prove(me.t.Context(), tx, me.session.ID, factor)
		me.SetCookie("kunci-session", token)
		return err
	})
	if err != nil {
		me.t.Fatal(err)
	}
}

func (me *person) methods() []method.Method {
	me.t.Helper()
	var all []method.Method
	err := me.p.App.DB.Read(me.t.Context(), func(tx *store.Tx) (err error) {
		all, err = me.p.App.Methods.List(me.t.Context(), tx, me.account.OrgID, me.account.ID)
		return err
	})
	if err != nil {
		me.t.Fatal(err)
	}
	return all
}

func (me *person) ofKind(k method.Kind) method.Method {
	me.t.Helper()
	for _, m := range me.methods() {
		if m.Kind == k && m.Proved {
			return m
		}
	}
	me.t.Fatalf("there is no proved %s", k)
	return method.Method{}
}

// rows gives the kinds of the list by id.
func rows(page *kuncitest.Page) map[string]string {
	found := make(map[string]string)
	for _, n := range page.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "data-method") != "" }) {
		found[kuncitest.Attribute(n, "data-method")] = kuncitest.Attribute(n, "data-kind")
	}
	return found
}

// secretOf reads the secret that an authenticator's page shows as text.
func secretOf(t *testing.T, page *kuncitest.Page) string {
	t.Helper()
	found := page.Find(func(n *html.Node) bool {
		for _, a := range n.Attr {
			if a.Key == "data-secret" {
				return true
			}
		}
		return false
	})
	if len(found) != 1 || found[0].FirstChild == nil {
		t.Fatalf("no secret on the page:\n%s", page.Text())
	}
	return strings.ReplaceAll(found[0].FirstChild.Data, " ", "")
}

func (me *person) totp(secret string) string {
	me.t.Helper()
	code, err := totp.GenerateCode(secret, me.p.Clock.Now())
	if err != nil {
		me.t.Fatal(err)
	}
	return code
}

var recoveryCode = regexp.MustCompile(`\b[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}-[0-9a-z]{4}\b`)

func TestMethodsAreRegistered(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		list := me.Get("/security-info").Want(http.StatusOK, "security-info")
		if len(rows(list)) != 0 || !list.Has("/security-info/add") || !list.Has("/password") || !list.Has("/accounts") {
			t.Errorf("the empty list: %s", list.Text())
		}
		add := me.Get("/security-info/add").Want(http.StatusOK, "security-info-add")
		for _, k := range []string{"email", "authenticator_code", "recovery_code"} {
			if !add.Has("/security-info/add") || len(add.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "href") == "/security-info/add?kind="+k })) != 1 {
				t.Errorf("%s cannot be chosen", k)
			}
		}
		// an address
		form := me.Post("/security-info/add", "kind", "email").Want(http.StatusOK, "security-info-add")
		if _, ok := form.Field("email"); !ok {
			t.Fatal("no address is asked for")
		}
		for address, want := range map[string]string{"citra@contoso.com": "email-own-domain", "citra@mail.contoso.com": "email-own-domain", "citra": "email-invalid", "": "required"} {
			page := me.Post("/security-info/add", "kind", "email", "email", address).Want(http.StatusUnprocessableEntity, "security-info-add")
			if typed, _ := page.Field("email"); page.Alert() != want || typed != address {
				t.Errorf("%q: alert %q, kept %q", address, page.Alert(), typed)
			}
		}
		verify := me.Post("/security-info/add", "kind", "email", "email", "Citra@example.net").Want(http.StatusOK, "security-info-add")
		if _, ok := verify.Field("code"); !ok {
			t.Fatal("no code is asked for")
		}
		if len(rows(me.Get("/security-info"))) != 0 {
			t.Error("an address counts before it is proved")
		}
		if again := me.Get("/security-info/add?kind=email"); !strings.Contains(again.Text(), "Citra@example.net") {
			t.Error("a reload does not find the registration again")
		}
		if wrong := me.Post("/security-info/add", "kind", "email", "code", "00000000").Want(http.StatusUnprocessableEntity, "security-info-add"); wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		code := p.Code(1)
		me.Post("/security-info/add", "code", code, "name", "Pribadi <b>").Want(http.StatusOK, "security-info")
		email := me.ofKind(method.Email)
		if email.Name != "Pribadi <b>" || email.ProvedBy != method.ByPerson {
			t.Errorf("stored as %+v", email)
		}
		list = me.Get("/security-info")
		if rows(list)[email.ID] != "email" || strings.Contains(list.Body, "<b>") || !strings.Contains(list.Text(), "C…@e…") {
			t.Errorf("the list: %s", list.Text())
		}
		if !p.Has(audit.RegistrationCompleted) {
			t.Error("enough is registered and nobody noted it")
		}
		// an app
		begun := me.Post("/security-info/add", "kind", "authenticator_code").Want(http.StatusOK, "security-info-add")
		secret := secretOf(t, begun)
		if secretOf(t, me.Get("/security-info/add?kind=authenticator_code")) != secret {
			t.Error("a reload shows another secret")
		}
		if raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret); err != nil || len(raw) != 20 {
			t.Errorf("the secret %q: %v", secret, err)
		}
		link := begun.Find(func(n *html.Node) bool {
			return strings.HasPrefix(kuncitest.Attribute(n, "href"), "otpauth://totp/Contoso:")
		})
		if len(link) != 1 {
			t.Fatal("no otpauth link")
		}
		parsed, err := url.Parse(kuncitest.Attribute(link[0], "href"))
		if err != nil || parsed.Query().Get("issuer") != "Contoso" || parsed.Query().Get("secret") != secret {
			t.Errorf("the link %s: %v", parsed, err)
		}
		me.Post("/security-info/add", "kind", "authenticator_code", "code", me.totp(secret), "name", "").Want(http.StatusOK, "security-info")
		app := me.ofKind(method.AuthenticatorCode)
		if strings.Contains(me.Get("/security-info").Body, secret) {
			t.Error("the list shows the secret")
		}
		me.Post("/security-info/"+app.ID+"/default").Want(http.StatusOK, "security-info")
		if !me.ofKind(method.AuthenticatorCode).Default {
			t.Error("it did not become the default")
		}
		// codes
		shown := me.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add")
		codes := recoveryCode.FindAllString(shown.Body, -1)
		if len(codes) != method.RecoveryCodes {
			t.Fatalf("%d codes are shown", len(codes))
		}
		sealed, _ := shown.Field("codes")
		file := me.Post("/security-info/codes", "codes", sealed)
		if file.Status != http.StatusOK || !strings.Contains(file.Body, codes[9]) || !strings.HasPrefix(file.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("the file: %d %v\n%s", file.Status, file.Header, file.Body)
		}
		if again := me.Get("/security-info/add?kind=recovery_code"); recoveryCode.MatchString(again.Body) {
			t.Error("codes are shown twice")
		}
		if len(rows(me.Get("/security-info"))) != 3 {
			t.Error("not three methods")
		}
		p.Mail.Wait(t, 3) // the code, and a notice for each of the two others
		noSecret(t, p, code, secret, codes[0], codes[9], "example.net")
		for _, kind := range []audit.Kind{audit.MethodAdded, audit.MethodDefaultChanged} {
			if !p.Has(kind) {
				t.Errorf("no event %s", kind)
			}
		}
	})
}

func TestADeletionCountsAtOnceAndCanBeUndone(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		email := me.ofKind(method.Email)
		ask := me.Get("/security-info/"+email.ID+"/delete").Want(http.StatusOK, "security-info-delete")
		if len(ask.Find(func(n *html.Node) bool { return strings.Contains(kuncitest.Attribute(n, "class"), "bad") })) == 0 {
			t.Error("it does not say that a reset would be lost")
		}
		if len(me.methods()) != 1 {
			t.Fatal("looking deleted it")
		}
		list := me.Post("/security-info/"+email.ID+"/delete").Want(http.StatusOK, "security-info")
		if len(rows(list)) != 0 || len(me.methods()) != 0 {
			t.Error("it still counts")
		}
		notice := p.Mail.Wait(t, 1)[0].Parse(t)
		undo := "/security-info/" + email.ID + "/undo"
		if !strings.Contains(notice.Text, p.URL+undo) {
			t.Errorf("the removed address was not told how to undo it:\n%s", notice.Text)
		}
		p.Clock.Advance(7*24*time.Hour - time.Minute)
		me = signedIn(t, p, "alain@contoso.com", "")
		me.Get(undo).Want(http.StatusOK, "security-info-undo")
		if len(me.methods()) != 0 {
			t.Error("opening the link undid it")
		}
		me.Post(undo).Want(http.StatusOK, "security-info")
		if len(me.methods()) != 1 {
			t.Error("it is not back")
		}
		me.Get(undo).Want(http.StatusOK, "security-info")
		me.Post("/security-info/"+email.ID+"/delete").Want(http.StatusOK, "security-info")
		p.Clock.Advance(7*24*time.Hour + time.Minute)
		me = signedIn(t, p, "alain@contoso.com", "")
		if late := me.Post(undo); late.Status == http.StatusOK || len(me.methods()) != 0 {
			t.Errorf("undone after seven days: %d", late.Status)
		}
	})
}
