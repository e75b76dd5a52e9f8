package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify/notifytest"
	"kunci.dev/kunci/internal/store"
)

const (
	manyKinds = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
support: {email: helpdesk@contoso.example}
policy:
  phone: {countries: [ID]}
---
organization: fabrikam
name: Fabrikam
domains: [fabrikam.com]
language: id
policy:
  reset: {gates: 2, methods: [email, security_questions]}
  questions: {to_register: 3, to_reset: 3}
`
	onePersonEach = `user_id,display_name,password,email
surat@contoso.com,Surat,teapot harbour violin,
aplikasi@contoso.com,Aplikasi,teapot harbour violin,
ponsel@contoso.com,Ponsel,teapot harbour violin,
kantor@contoso.com,Kantor,teapot harbour violin,
kertas@contoso.com,Kertas,teapot harbour violin,
token@contoso.com,Token,teapot harbour violin,
baru@contoso.com,Baru,,
`
	tokenFile = `upn,serial number,secret key,time interval,manufacturer,model,type
token@contoso.com,1002,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR,,Contoso,HardwareKey,hotp
`
)

// walker goes through the journeys of every kind in one browser.
type walker struct {
	*tab
	p      *kuncitest.Product
	mails  int // that came so far
	phones int // texts and calls that came so far
}

func (w *walker) mailed() string { w.mails++; return w.p.Code(w.mails) }

func (w *walker) phoned(path string) string {
	w.t.Helper()
	w.phones++
	last := w.p.Texts(w.t, w.phones)[w.phones-1]
	if last.Path != path {
		w.t.Errorf("sent by %s, want %s", last.Path, path)
	}
	return last.Code
}

func (w *walker) forget() { w.run("forgetting who is here", network.ClearBrowserCookies()) }

// add walks to the page on which a kind is registered.
func (w *walker) add(userID string, kind method.Kind) {
	w.t.Helper()
	w.forget()
	w.signIn(w.p, userID)
	w.open("/security-info/add", "security-info-add").leave().click(`[data-kind="` + string(kind) + `"] a`).at("security-info-add").shot("k-" + string(kind) + "-1-add")
}

// reset walks to the page of a kind, which is the person's only one.
func (w *walker) reset(userID string) *tab {
	w.t.Helper()
	w.forget()
	return w.open("/reset", "reset-identify").fill("user_id", userID).press().at("reset-choose").press().at("reset-verify")
}

func (w *walker) newPassword(userID string) {
	w.t.Helper()
	w.to("reset-password").fill("new_password", newPassword).fill("confirm_password", newPassword).press().to("reset-done")
	w.passwordIs(w.p, userID, newPassword)
}

// byPassword signs in with the new password.
func (w *walker) byPassword(userID string) *tab {
	w.t.Helper()
	w.forget()
	return w.open("/signin", "signin").fill("user_id", userID).press().to("signin-password").fill("password", newPassword).press()
}

// showing gives what an app shows, each step once as the product wants it.
func showing(t *testing.T, secret string) func() string {
	last := int64(0)
	return func() string {
		t.Helper()
		last = max(last+1, time.Now().Unix()/30-1)
		code, err := totp.GenerateCode(secret, time.Unix(last*30, 0))
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
}

var journeys = []struct {
	kind method.Kind
	walk func(w *walker)
}{
	{method.Email, func(w *walker) {
		const who = "surat@contoso.com"
		w.add(who, method.Email)
		w.fill("email", "surat@example.net").press().at("security-info-add").shot("k-email-2-code").fill("code", w.mailed()).press().at("security-info")
		w.reset(who).shot("k-email-3-reset").fill("code", w.mailed()).press()
		w.newPassword(who)
		w.mails++ // the notice of the reset
		w.byPassword(who).to("security-info")
	}},
	{method.AuthenticatorCode, func(w *walker) {
		const who = "aplikasi@contoso.com"
		w.add(who, method.AuthenticatorCode)
		w.press().at("security-info-add")
		key, err := otp.NewKeyFromURL(w.attribute(`a[href^="otpauth:"]`, "href"))
		if err != nil {
			w.t.Fatal(err)
		}
		shows := showing(w.t, key.Secret())
		w.fill("code", shows()).press().at("security-info")
		w.reset(who).shot("k-authenticator-3-reset").fill("code", shows()).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify").shot("k-authenticator-4-signin").fill("code", shows()).press().to("security-info")
	}},
	{method.MobilePhone, func(w *walker) {
		const who, number = "ponsel@contoso.com", "0812 3456 7842"
		w.add(who, method.MobilePhone)
		w.fill("phone", number).press().at("security-info-add").shot("k-mobile_phone-2-code").fill("code", w.phoned("/text")).press().at("security-info").shot("k-mobile_phone-3-list")
		w.reset(who).shot("k-mobile_phone-4-number").fill("destination", number).press().at("reset-verify").shot("k-mobile_phone-5-reset")
		w.fill("code", w.phoned("/text")).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify").shot("k-mobile_phone-6-signin").press().at("signin-verify").shot("k-mobile_phone-7-sent")
		w.fill("code", w.phoned("/text")).press().to("security-info")
	}},
	{method.OfficePhone, func(w *walker) {
		const who, number = "kantor@contoso.com", "021 5550100 ext 12"
		w.add(who, method.OfficePhone)
		w.fill("phone", number).press().at("security-info-add").shot("k-office_phone-2-code").fill("code", w.phoned("/call")).press().at("security-info")
		w.reset(who).shot("k-office_phone-3-number").fill("destination", "(021) 555-0100").press().at("reset-verify").shot("k-office_phone-4-reset")
		w.fill("code", w.phoned("/call")).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify").shot("k-office_phone-5-signin").press().at("signin-verify").fill("code", w.phoned("/call")).press().to("security-info")
	}},
	{method.RecoveryCode, func(w *walker) {
		const who = "kertas@contoso.com"
		w.add(who, method.RecoveryCode)
		codes := shownCode.FindAllString(w.press().at("security-info-add").shot("k-recovery_code-2-shown").html("[data-codes]"), -1)
		w.press().at("security-info")
		w.reset(who).shot("k-recovery_code-3-reset").fill("code", codes[0]).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify").shot("k-recovery_code-4-signin").fill("code", codes[0]).press().at("signin-verify").alert("code-used")
		w.fill("code", codes[1]).press().to("security-info")
		if left := w.text(`[data-method][data-kind="recovery_code"]`); !strings.Contains(left, map[string]string{"id": "Sisa 8 kode", "en": "8 codes left"}[w.on.language]) {
			w.t.Errorf("two codes were used, and the list says %q", left)
		}
	}},
	{method.HardwareToken, func(w *walker) {
		const who = "token@contoso.com"
		report, err := w.p.App.ImportTokens(w.t.Context(), "contoso", strings.NewReader(tokenFile), false)
		if err != nil || report.Assigned != 1 {
			w.t.Fatalf("%+v, %v", report, err)
		}
		var token method.Token
		err = w.p.App.DB.Read(w.t.Context(), func(tx *store.Tx) (err error) {
			token, err = w.p.App.Methods.TokenBySerial(w.t.Context(), tx, w.p.Organization().ID, "1002")
			return err
		})
		if err != nil {
			w.t.Fatal(err)
		}
		w.add(who, method.HardwareToken)
		w.press().at("security-info-add").shot("k-hardware_token-2-code").fill("code", token.OATH.Code(token.Seed, 3)).press().at("security-info")
		w.reset(who).shot("k-hardware_token-3-reset").fill("code", token.OATH.Code(token.Seed, 4)).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify").shot("k-hardware_token-4-signin").fill("code", token.OATH.Code(token.Seed, 5)).press().to("security-info")
	}},
	{method.TemporaryAccessPass, func(w *walker) {
		const who = "baru@contoso.com"
		issue := func() string {
			person, err := w.p.App.Person(w.t.Context(), "contoso", who)
			if err != nil {
				w.t.Fatal(err)
			}
			pass, err := w.p.App.IssuePass(w.t.Context(), person, time.Time{}, 0, false)
			if err != nil {
				w.t.Fatal(err)
			}
			return pass.Code
		}
		w.forget()
		w.open("/signin", "signin").fill("user_id", who).press().at("signin-password").shot("k-pass-1-password")
		w.leave().click(`main a[href="/signin/pass"]`).at("signin-pass").shot("k-pass-2-pass")
		w.fill("pass", "0000-0000-0000").press().at("signin-pass").alert("pass-wrong").shot("k-pass-3-wrong")
		w.fill("pass", issue()).press().at("interrupt").shot("k-pass-4-interrupt")
		w.press().at("security-info-add")
		w.open("/password", "password").shot("k-pass-5-no-password")
		w.open("/security-info/add?kind=recovery_code", "security-info-add").press().to("security-info-add").press().at("security-info")
		pass := issue()
		w.forget()
		w.open("/reset", "reset-identify").fill("user_id", who).press().at("reset-choose").shot("k-pass-6-choose")
		person, err := w.p.App.Person(w.t.Context(), "contoso", who)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, m := range person.Methods {
			if m.Kind == method.TemporaryAccessPass {
				w.click(`input[value="` + m.ID + `"]`)
			}
		}
		w.press().at("reset-verify").shot("k-pass-7-reset").fill("code", pass).press()
		w.newPassword(who)
		w.byPassword(who).at("signin-verify")
	}},
	{method.SecurityQuestions, func(w *walker) {
		const who = "tanya@fabrikam.com"
		w.p.Import("fabrikam", "user_id,display_name,password,email\n"+who+",Tanya,teapot harbour violin,tanya@example.net\n")
		w.forget()
		w.open("/signin", "signin").fill("user_id", who).press().to("signin-password").fill("password", kuncitest.OldPassword).press().at("interrupt").press().to("security-info-add")
		w.leave().click(`[data-kind="security_questions"] a`).at("security-info-add").shot("k-questions-1-empty")
		texts := map[string]string{}
		for i, answer := range []string{"Balonku Ada Lima", "Di bawah kolong dipan", "Jatuh dari sepeda"} {
			n := string(rune('1' + i))
			var text string
			w.run("choosing a question", chromedp.SetValue(`[name="question_`+n+`"]`, "q0"+n, chromedp.ByQuery),
				chromedp.TextContent(`[name="question_`+n+`"] option[value="q0`+n+`"]`, &text, chromedp.ByQuery))
			texts[strings.TrimSpace(text)] = answer
			w.fill("answer_"+n, answer)
		}
		w.shot("k-questions-2-filled")
		w.press().at("security-info").shot("k-questions-3-list")
		w.mails = len(w.p.Mail.Wait(w.t, w.mails+1)) // the notice
		w.reset(who).fill("code", w.mailed()).press().at("reset-choose").shot("k-questions-4-second-gate").press().at("reset-verify").shot("k-questions-5-asked")
		for _, n := range []string{"1", "2", "3"} {
			var asked string
			w.run("reading a question", chromedp.Text(`label[for="answer_`+n+`"]`, &asked, chromedp.ByQuery))
			answer, ok := texts[strings.TrimSpace(asked)]
			if !ok {
				w.t.Fatalf("%q was not registered", asked)
			}
			w.fill("answer_"+n, answer)
		}
		w.press().to("reset-password").fill("new_password", newPassword).fill("confirm_password", newPassword).press().to("reset-done")
		w.mails++
		w.byPassword(who).to("security-info")
	}},
}

// Every kind has its journey: here, or where a second device or an authenticator is needed.
func TestEveryKindHasAJourney(t *testing.T) {
	walked := map[method.Kind]string{method.Passkey: "TestPasskeysInChromium", method.AuthenticatorPush: "TestApprovalOnADeviceInChromium"}
	for _, j := range journeys {
		walked[j.kind] = "TestEveryKindInChromium"
	}
	for _, k := range method.Kinds() {
		if walked[k] == "" {
			t.Errorf("%s is walked through by no journey", k)
		}
	}
}

// From registering a kind to a reset with it and the sign-in after that.
func TestEveryKindInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range []device{devices[0], devices[3]} {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{
				Kind: store.SQLite, WallClock: true, Organization: manyKinds, Accounts: onePersonEach, Phones: &notifytest.GatewayOptions{},
			})
			w := &walker{tab: openTabFor(t, p.URL, on, 4*patience), p: p}
			w.judged = map[string]bool{}
			for _, j := range journeys {
				before := *w.tab
				if !t.Run(string(j.kind), func(t *testing.T) {
					w.t = t
					j.walk(w)
				}) {
					t.Errorf("%s did not come through", j.kind)
				}
				w.tab = &before
			}
		})
	}
}

// A text that does not leave is said on the page within ten seconds, without
// touching what is typed there, and another way is one press away.
func TestATextThatDoesNotLeaveInChromium(t *testing.T) {
	t.Parallel()
	p := kuncitest.Start(t, kuncitest.Options{
		Kind: store.SQLite, WallClock: true, Organization: manyKinds, Accounts: "user_id,display_name,password,email,mobile_phone\n" +
			"ponsel@contoso.com,Ponsel,teapot harbour violin,ponsel@example.net,0812 3456 7842\n",
		Phones: &notifytest.GatewayOptions{Answer: func(_ int, a notifytest.Ask) (int, string) {
			if a.Path == "/text" {
				return http.StatusServiceUnavailable, ""
			}
			return 0, ""
		}},
	})
	b := openTab(t, p.URL, devices[0])
	b.open("/reset", "reset-identify").fill("user_id", "ponsel@contoso.com").press().to("reset-choose")
	person, err := p.App.Person(t.Context(), "contoso", "ponsel@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range person.Methods {
		if m.Kind == method.MobilePhone {
			b.click(`input[value="` + m.ID + `"]`)
		}
	}
	b.press().to("reset-verify").fill("destination", "0812 3456 7842").press().at("reset-verify").shot("late-1-waiting")
	began := time.Now()
	b.fill("code", "1234")
	b.run("waiting for the words", chromedp.WaitVisible(`#delivery[data-watch="late"] [role="alert"]`, chromedp.ByQuery))
	if took := time.Since(began); took > 14*time.Second {
		t.Errorf("it took %s", took)
	}
	b.judge("reset-verify, late")
	b.shot("late-2-said")
	var typed string
	b.run("reading what was typed", chromedp.Value(`[name="code"]`, &typed, chromedp.ByQuery))
	if typed != "1234" {
		t.Errorf("what was typed became %q", typed)
	}
	b.leave().click(`form:has(input[name="channel"][value="call"]) button`).at("reset-verify").shot("late-3-called")
	code := ""
	for n := 1; code == ""; n++ {
		for _, s := range p.Texts(t, n) {
			if s.Path == "/call" {
				code = s.Code
			}
		}
	}
	b.fill("code", code).press().to("reset-password")
}
