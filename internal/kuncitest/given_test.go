package kuncitest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// marked gives the ids of the methods that the list marks as entered by the
// organization.
func givenMarked(page *kuncitest.Page) int {
	return len(page.Find(func(n *html.Node) bool {
		return slices.ContainsFunc(n.Attr, func(a html.Attribute) bool { return a.Key == "data-preregistered" })
	}))
}

// Somebody for whom the organization entered a phone and an address signs in with
// the phone, is asked on the first visit whether they are theirs, confirms the one
// with the code they have just typed and the other with a code of its own, and
// from then on an import changes neither.
func TestGivenMethodsAreConfirmedOnTheFirstVisit(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/signin")
		b.Post("/signin", "user_id", "citra@contoso.com")
		b.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
		me := &person{t: t, p: p, Browser: b, account: find(t, p, "citra@contoso.com").Account}
		phone, mail := me.ofKind(method.MobilePhone), me.ofKind(method.Email)
		b.Post("/signin/verify", "method", phone.ID, "action", "send").Want(http.StatusOK, "signin-verify")
		list := wantAt(t, b.Post("/signin/verify", "method", phone.ID, "code", p.Texts(t, 1)[0].Code), "/security-info").Want(http.StatusOK, "security-info")
		if givenMarked(list) != 2 || !strings.Contains(list.Text(), "Contoso mengisikan 2 metode") || strings.Contains(list.Body, "7843") {
			t.Fatalf("the first visit does not ask:\n%s", list.Text())
		}
		b.Header.Set("Accept-Language", "en")
		if english := b.Get("/security-info"); !strings.Contains(english.Text(), "Are these yours?") || !strings.Contains(english.Text(), "This is not mine") {
			t.Errorf("in English:\n%s", english.Text())
		}
		b.Header.Set("Accept-Language", "id")
		path := "/security-info/" + phone.ID + "/confirm"
		b.Get(path).Want(http.StatusOK, "security-info-confirm")
		if n := len(p.Phones.Asks()); n != 1 {
			t.Errorf("opening the page sent a text: %d", n)
		}
		wantAt(t, b.Post(path, "action", "send"), "/security-info")
		if me.ofKind(method.MobilePhone).ProvedBy != method.ByPerson || len(p.Phones.Asks()) != 1 {
			t.Error("what was proved while signing in is asked for again")
		}
		path = "/security-info/" + mail.ID + "/confirm"
		page := b.Get(path).Want(http.StatusOK, "security-info-confirm")
		if _, asked := page.Field("code"); asked || len(p.Mail.Wait(t, 1)) != 1 {
			t.Errorf("opening the page did something:\n%s", page.Text())
		}
		page = b.Post(path, "action", "send").Want(http.StatusOK, "security-info-confirm")
		if _, asked := page.Field("code"); !asked || strings.Contains(page.Body, "citra@example.net") {
			t.Fatalf("no code is asked for, or the address is shown:\n%s", page.Text())
		}
		code := p.Code(2) // the first told the address of the phone
		if wrong := b.Post(path, "code", "00000000").Want(http.StatusUnprocessableEntity, "security-info-confirm"); wrong.Alert() != "code-wrong" {
			t.Errorf("alert %q", wrong.Alert())
		}
		if empty := b.Post(path, "code", "").Want(http.StatusUnprocessableEntity, "security-info-confirm"); empty.Alert() != "required" {
			t.Errorf("alert %q", empty.Alert())
		}
		list = wantAt(t, b.Post(path, "code", code), "/security-info")
		if givenMarked(list) != 0 || !strings.Contains(list.Text(), "Sudah dikonfirmasi") {
			t.Errorf("afterwards:\n%s", list.Text())
		}
		b.Get(path).Want(http.StatusNotFound, "error")
		confirmed := 0
		for _, e := range p.Events() {
			if e.Kind == audit.MethodChanged && e.Reason == "confirmed" && e.TargetUserID == "citra@contoso.com" {
				confirmed++
			}
		}
		if confirmed != 2 {
			t.Errorf("%d confirmations recorded", confirmed)
		}
		p.Import("contoso", "user_id,mobile_phone\ncitra@contoso.com,+62 812 3456 7999\n")
		if me.ofKind(method.MobilePhone).ID != phone.ID {
			t.Error("an import took a confirmed phone away")
		}
		noSecret(t, p, code)
	})
}

// "This is not mine" deletes it, says so to the address, and asks who signs in
// next for nothing that is gone.
func TestGivenMethodsCanBeDeclined(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, phoneOptions())
	me := signedIn(t, p, "alain@contoso.com", "")
	phone := me.ofKind(method.MobilePhone)
	me.proveNow(phone.ID)
	page := me.Get("/security-info/"+phone.ID+"/delete").Want(http.StatusOK, "security-info-delete")
	if !strings.Contains(page.Text(), "Ini bukan milik Anda?") || !strings.Contains(page.Text(), "mengaku sebagai Anda") {
		t.Errorf("the page:\n%s", page.Text())
	}
	list := wantAt(t, me.Post("/security-info/"+phone.ID+"/delete"), "/security-info")
	if len(rows(list)) != 0 {
		t.Errorf("it is still there:\n%s", list.Text())
	}
	if e := p.Events()[0]; e.Kind != audit.MethodDeleted || e.Reason != "declined" {
		t.Errorf("the last event is %s %q", e.Kind, e.Reason)
	}
	other := signedIn(t, p, "citra@contoso.com", "")
	for _, id := range []string{phone.ID, "nothing", other.account.ID} {
		other.Get("/security-info/"+id+"/confirm").Want(http.StatusNotFound, "error")
	}
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
