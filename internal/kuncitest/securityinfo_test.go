package kuncitest_test

import (
	"encoding/base32"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	sessions "kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
)

// person is somebody who is signed in in a browser, by a session made directly.
type person struct {
	*kuncitest.Browser
	t       *testing.T
	p       *kuncitest.Product
	account account.Account
	session sessions.Session
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
		me.session, err = p.App.Sessions.Begin(t.Context(), tx, b.ID, sessions.Begin{OrgID: a.OrgID, AccountID: a.ID, UserID: userID, Level: sessions.Full})
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
		if _, ok := form.Field("email"); !ok || !form.Has("/help/email") {
			t.Fatalf("no address is asked for, or the help is elsewhere: %q", form.Links("/help"))
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
		if file.Status != http.StatusOK || !slices.Equal(recoveryCode.FindAllString(file.Body, -1), codes) || !strings.Contains(file.Body, "Contoso") || !strings.Contains(file.Body, p.URL+"/reset") {
			t.Errorf("the file: %d\n%s", file.Status, file.Body)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/plain; charset=utf-8", "Content-Disposition": `attachment; filename="recovery-codes.txt"`,
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		} {
			if got := file.Header.Get(name); got != want {
				t.Errorf("the file's %s is %q", name, got)
			}
		}
		if got := shown.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("the page of the codes may be kept: %q", got)
		}
		if !strings.Contains(shown.Body, `<p class="print">`) || !strings.Contains(shown.Body, `data-print hidden>`) || !shown.Has("/help/recovery-codes") {
			t.Errorf("there is no heading for paper, no button that prints, or no help:\n%s", shown.Body)
		}
		if again := me.Get("/security-info/add?kind=recovery_code"); recoveryCode.MatchString(again.Body) {
			t.Error("codes are shown twice")
		}
		if list = me.Get("/security-info"); len(rows(list)) != 3 || !strings.Contains(list.Text(), "Sisa 10 kode") {
			t.Errorf("not three methods, or not ten codes:\n%s", list.Text())
		}
		stranger, paper := p.Browser(), me.ofKind(method.RecoveryCode).ID
		choose(t, stranger, "citra@contoso.com", "forgot", paper)
		stranger.Post("/reset/verify", "method", paper, "action", "verify", "code", strings.ToUpper(codes[0])).Want(http.StatusOK, "reset-password")
		if list = me.Get("/security-info"); !strings.Contains(list.Text(), "Sisa 9 kode") {
			t.Errorf("a code was used, and the list says:\n%s", list.Text())
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

// Nobody who is signed out, or whose proof is old, gets to a page or changes anything.
func TestSecurityInfoAsksWhoYouAre(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		email := me.ofKind(method.Email)
		stranger := p.Browser()
		pages := []string{"/security-info", "/security-info/add", "/security-info/add?kind=email"}
		for _, action := range []string{"delete", "change", "undo", "default"} {
			pages = append(pages, "/security-info/"+email.ID+"/"+action)
		}
		for _, path := range pages[:6] {
			if page := stranger.Get(path); page.Path != "/signin" {
				t.Errorf("signed out, GET %s leads to %s", path, page.Path)
			}
		}
		for _, path := range pages[1:] {
			if page := stranger.Post(strings.TrimSuffix(path, "?kind=email"), "kind", "recovery_code"); page.Path != "/signin" {
				t.Errorf("signed out, POST %s leads to %s", path, page.Path)
			}
		}
		p.Clock.Advance(11 * time.Minute)
		for _, path := range pages[1:5] {
			if page := me.Get(path); page.Path != "/signin/verify" {
				t.Errorf("with an old proof, GET %s leads to %s", path, page.Path)
			}
		}
		for _, path := range pages[1:] {
			if page := me.Post(strings.TrimSuffix(path, "?kind=email"), "kind", "recovery_code", "email", "x@example.net"); page.Path != "/signin/verify" {
				t.Errorf("with an old proof, POST %s leads to %s", path, page.Path)
			}
		}
		me.Get("/security-info").Want(http.StatusOK, "security-info")
		if all := me.methods(); len(all) != 1 || all[0].Name != email.Name || len(p.Mail.Mails()) > 0 {
			t.Errorf("something was changed: %+v", all)
		}
	})
}

func TestAnothersMethodIsNotFound(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me, other := signedIn(t, p, "alain@contoso.com", ""), signedIn(t, p, "hana@contoso.com", "")
		theirs := other.ofKind(method.Email)
		for _, id := range []string{theirs.ID, "made-up", "%2e%2e"} {
			for _, action := range []string{"delete", "change", "undo", "default"} {
				path := "/security-info/" + id + "/" + action
				if page := me.Post(path, "name", "x"); page.Status != http.StatusNotFound {
					t.Errorf("POST %s: %d", path, page.Status)
				}
				if page := me.Get(path); action != "default" && page.Status != http.StatusNotFound {
					t.Errorf("GET %s: %d", path, page.Status)
				}
			}
			if page := me.Post("/security-info/add", "kind", "email", "replaces", id, "email", "x@example.net"); page.Status != http.StatusNotFound {
				t.Errorf("replacing %s: %d", id, page.Status)
			}
		}
		if after := other.ofKind(method.Email); after.Name != theirs.Name || len(p.Mail.Mails()) > 0 {
			t.Errorf("it is now %+v", after)
		}
	})
}

func TestAMethodIsChanged(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		old := me.ofKind(method.Email)
		change := "/security-info/" + old.ID + "/change"
		me.Get(change).Want(http.StatusOK, "security-info-change")
		long := me.Post(change, "name", strings.Repeat("a", 61), "action", "rename").Want(http.StatusUnprocessableEntity, "security-info-change")
		if long.Alert() != "too-long" {
			t.Errorf("alert %q", long.Alert())
		}
		me.Post(change, "name", "Lama", "action", "rename").Want(http.StatusOK, "security-info")
		if me.ofKind(method.Email).Name != "Lama" {
			t.Error("the name was not saved")
		}
		form := me.Post(change, "action", "replace").Want(http.StatusOK, "security-info-add")
		if replaces, _ := form.Field("replaces"); replaces != old.ID {
			t.Fatalf("the form replaces %q", replaces)
		}
		own := me.Post(change, "email", "alain@contoso.com").Want(http.StatusUnprocessableEntity, "security-info-add")
		if replaces, _ := own.Field("replaces"); own.Alert() != "email-own-domain" || replaces != old.ID {
			t.Errorf("alert %q, replaces %q", own.Alert(), replaces)
		}
		me.Post(change, "email", "baru@example.net").Want(http.StatusOK, "security-info-add")
		if me.ofKind(method.Email).ID != old.ID {
			t.Error("the old one stopped counting early")
		}
		me.Post("/security-info/add", "kind", "email", "code", p.Code(1)).Want(http.StatusOK, "security-info")
		if now := me.ofKind(method.Email); now.Value != "baru@example.net" || len(me.methods()) != 1 {
			t.Errorf("left is %+v", me.methods())
		}
		if notice := p.Mail.Wait(t, 2)[1]; !strings.Contains(notice.To, "alain@example.net") {
			t.Errorf("the notice went to %s", notice.To)
		}
		// Codes that would be lost are asked about first.
		me.Post("/security-info/add", "kind", "recovery_code")
		before := me.ofKind(method.RecoveryCode)
		ask := me.Post("/security-info/add", "kind", "recovery_code").Want(http.StatusOK, "security-info-add")
		if set, _ := ask.Field("set"); set != before.ID || me.ofKind(method.RecoveryCode).ID != before.ID {
			t.Error("the old codes were lost without asking")
		}
		if page := me.Post("/security-info/add", "kind", "recovery_code", "set", before.ID); !recoveryCode.MatchString(page.Body) {
			t.Errorf("no codes: %s", page.Text())
		}
		twice := me.Post("/security-info/add", "kind", "recovery_code", "set", before.ID)
		if twice.Status != http.StatusConflict || twice.Alert() != "conflict" || recoveryCode.MatchString(twice.Body) {
			t.Errorf("a reload: %d %q", twice.Status, twice.Alert())
		}
	})
}

func TestRegisteringIsThrottled(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		limits := p.Organization().Policy.Throttle
		for i := range limits.EmailSends.Limit {
			me.Post("/security-info/add", "kind", "email", "email", strings.Repeat("a", i+1)+"@example.net").Want(http.StatusOK, "security-info-add")
		}
		many := me.Post("/security-info/add", "kind", "email", "email", "b@example.net").Want(http.StatusTooManyRequests, "security-info-add")
		if many.Alert() != "send-limit" || many.Header.Get("Retry-After") == "" {
			t.Errorf("alert %q, retry after %q", many.Alert(), many.Header.Get("Retry-After"))
		}
		for range limits.Gate.Limit {
			me.Post("/security-info/add", "kind", "email", "code", "00000000").Want(http.StatusUnprocessableEntity, "security-info-add")
		}
		blocked := me.Post("/security-info/add", "kind", "email", "code", p.Code(limits.EmailSends.Limit)).Want(http.StatusTooManyRequests, "security-info-add")
		if blocked.Alert() != "blocked" || len(me.methods()) != 1 || me.methods()[0].Proved {
			t.Errorf("alert %q, methods %+v", blocked.Alert(), me.methods())
		}
		// Starting again is possible.
		me.Post("/security-info/add", "kind", "email", "action", "cancel").Want(http.StatusOK, "security-info-add")
		if len(me.methods()) != 0 {
			t.Error("it still waits")
		}
		for _, kind := range []string{"", "office_phone", "security_questions", "temporary_access_pass", "nonsense"} {
			if page := me.Post("/security-info/add", "kind", kind); page.Status != http.StatusUnprocessableEntity || page.Name() != "security-info-add" {
				t.Errorf("kind %q: %d %s", kind, page.Status, page.Name())
			}
		}
	})
}

// Somebody who signs in the ordinary way registers an app, and is asked for it
// again when the proof is old; then they are where they wanted to be.
func TestAnOldProofIsRenewedOnTheWay(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/signin").Want(http.StatusOK, "signin")
		b.Post("/signin", "user_id", "alain@contoso.com").Want(http.StatusOK, "signin-password")
		b.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "security-info")
		secret := secretOf(t, b.Post("/security-info/add", "kind", "authenticator_code"))
		me := &person{t: t, p: p}
		before := b.Cookies()
		b.Post("/security-info/add", "code", me.totp(secret)).Want(http.StatusOK, "security-info")
		for _, c := range b.Cookies() {
			for _, old := range before {
				if c.Name == "kunci-session" && old.Name == c.Name && old.Value == c.Value {
					t.Error("a proof of the session left its token as it was")
				}
			}
		}
		b.Get("/security-info/add").Want(http.StatusOK, "security-info-add")
		p.Clock.Advance(11 * time.Minute)
		verify := b.Get("/security-info/add?kind=email").Want(http.StatusOK, "signin-verify")
		next, _ := verify.Field("next")
		chosen, _ := verify.Field("method")
		back := b.Post("/signin/verify", "next", next, "method", chosen, "code", me.totp(secret)).Want(http.StatusOK, "security-info-add")
		if _, asked := back.Field("email"); !asked {
			t.Errorf("it does not go on with the kind that was chosen:\n%s", back.Text())
		}
		// The notice of it says how to stop whoever it was.
		notice := p.Mail.Wait(t, 1)[0].Parse(t)
		at := strings.Index(notice.Text, p.URL+"/reset/dispute/")
		if at < 0 {
			t.Fatalf("no link to say it was not me:\n%s", notice.Text)
		}
		link := strings.TrimPrefix(strings.Fields(notice.Text[at:])[0], p.URL)
		victim := p.Browser()
		victim.Get(link).Want(http.StatusOK, "reset-dispute")
		victim.Post(link).Want(http.StatusOK, "reset-dispute-done")
		if page := b.Get("/security-info"); page.Path != "/signin" {
			t.Errorf("after that the browser is at %s", page.Path)
		}
	})
}

// What the organization is when an address is proved counts, not what it was
// when the address was typed.
func TestADomainThatBecameTheOrganizationsOwnIsRefused(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		me.Post("/security-info/add", "kind", "email", "email", "citra@example.net").Want(http.StatusOK, "security-info-add")
		code := p.Code(1)
		p.Apply(strings.Replace(kuncitest.Contoso, "domains: [contoso.com]", "domains: [contoso.com, example.net]", 1))
		page := me.Post("/security-info/add", "kind", "email", "code", code).Want(http.StatusUnprocessableEntity, "security-info-add")
		if page.Alert() != "email-own-domain" {
			t.Errorf("alert %q", page.Alert())
		}
		for _, m := range me.methods() {
			if m.Proved {
				t.Errorf("%s counts", m.Kind)
			}
		}
	})
}

// Codes that the password alone could make end with the first other second step
// (AC-097), unless the same session made both.
func TestCodesMadeBeforeAnySecondStepEnd(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		before := signedIn(t, p, "citra@contoso.com", "")
		made := before.Post("/security-info/add", "kind", "recovery_code", "set", "").Want(http.StatusOK, "security-info-add")
		kept := recoveryCode.FindString(made.Text())
		p.Clock.Advance(time.Minute)
		set := before.ofKind(method.RecoveryCode).ID
		me := signedIn(t, p, "citra@contoso.com", set)
		secret := secretOf(t, me.Post("/security-info/add", "kind", "authenticator_code"))
		page := me.Post("/security-info/add", "kind", "authenticator_code", "code", me.totp(secret)).Want(http.StatusOK, "security-info")
		if !strings.Contains(page.Text(), "Silakan buat kode baru") || rows(page)[set] != "" {
			t.Errorf("the codes go on counting, or nobody is told:\n%s", page.Text())
		}
		found := false
		for _, e := range p.Events() {
			found = found || e.Kind == audit.MethodDeleted && e.Reason == "early" && e.MethodID == set
		}
		if !found {
			t.Error("no event")
		}
		// The kept code opens nothing: not a sign-in, not a reset.
		thief := p.Browser()
		thief.Get("/signin")
		thief.Post("/signin", "user_id", "citra@contoso.com")
		asked := thief.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
		if strings.Contains(asked.Body, set) {
			t.Errorf("the old codes are asked for:\n%s", asked.Text())
		}
		thief.Post("/signin/verify", "method", set, "code", kept)
		if isIn(thief) {
			t.Error("a kept code signs in")
		}
		if choose(t, thief, "citra@contoso.com", "forgot", set).Name() == "reset-verify" && thief.Post("/reset/verify", "code", kept, "action", "verify").Name() == "reset-password" {
			t.Error("a kept code resets")
		}
		// The session that proved itself with one goes on with what it has now.
		me.Post("/security-info/add", "kind", "recovery_code", "set", "").Want(http.StatusOK, "security-info-add")
		if strings.Contains(me.Get("/security-info").Body, "data-early") {
			t.Error("new codes are called old")
		}
		// Codes and app of one session are both its person's.
		other := signedIn(t, p, "hana@contoso.com", "")
		other.Post("/security-info/add", "kind", "recovery_code", "set", "").Want(http.StatusOK, "security-info-add")
		p.Clock.Advance(time.Minute)
		secret = secretOf(t, other.Post("/security-info/add", "kind", "authenticator_code"))
		page = other.Post("/security-info/add", "kind", "authenticator_code", "code", other.totp(secret)).Want(http.StatusOK, "security-info")
		if rows(page)[other.ofKind(method.RecoveryCode).ID] == "" || strings.Contains(page.Body, "data-early") {
			t.Errorf("codes of the same session end:\n%s", page.Text())
		}
	})
}
