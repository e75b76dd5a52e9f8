package kuncitest_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/notify/notifytest"
)

const withPhones = `
organization: contoso
name: Contoso
domains: [contoso.com]
language: id
support: {email: helpdesk@contoso.example}
policy:
  phone: {countries: [ID]}
`

const peopleWithPhones = `user_id,display_name,password,email,mobile_phone,office_phone
alain@contoso.com,Alain Dupont,teapot harbour violin,,0812-3456-7842,
budi@contoso.com,Budi Santoso,teapot harbour violin,,,021 5550100 ext 12
citra@contoso.com,Citra Lestari,teapot harbour violin,citra@example.net,+62 812 3456 7843,
dewi@contoso.com,Dewi Lestari,teapot harbour violin,dewi@example.net,+65 8123 4567,
`

func phoneOptions() kuncitest.Options {
	return kuncitest.Options{Organization: withPhones, Accounts: peopleWithPhones, Phones: &notifytest.GatewayOptions{}}
}

// toNumber walks until the whole number is asked for.
func toNumber(t *testing.T, b *kuncitest.Browser, userID string) *kuncitest.Page {
	t.Helper()
	b.Get("/reset").Want(http.StatusOK, "reset-identify")
	choose := b.Post("/reset", "user_id", userID, "reason", "forgot").Want(http.StatusOK, "reset-choose")
	methods := choose.Choices("method")
	page := b.Post("/reset/verify", "method", methods[len(methods)-1], "action", "send").Want(http.StatusOK, "reset-verify")
	if _, asked := page.Field("destination"); !asked {
		t.Fatalf("the number is not asked for:\n%s", page.Text())
	}
	if _, asked := page.Field("code"); asked {
		t.Fatal("a code is asked for before one was sent")
	}
	return page
}

func TestAResetByText(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		page := toNumber(t, b, "alain@contoso.com")
		if !strings.Contains(page.Text(), "••42") || strings.Contains(page.Body, "7842") {
			t.Errorf("the number is not masked:\n%s", page.Text())
		}
		field := page.Find(func(n *html.Node) bool { return kuncitest.Attribute(n, "name") == "destination" })[0]
		if kuncitest.Attribute(field, "type") != "tel" || kuncitest.Attribute(field, "autocomplete") != "tel" {
			t.Error("the field is no telephone field")
		}
		b.Get("/reset/verify").Want(http.StatusOK, "reset-verify")
		if n := len(p.Phones.Asks()); n != 0 {
			t.Fatalf("%d messages were sent before the number was typed", n)
		}
		b.Post("/reset/verify", "destination", "٠٨١٢ ٣٤٥٦ ٧٨٤٢", "action", "send").Want(http.StatusOK, "reset-verify")
		sent := p.Texts(t, 1)[0]
		if sent.Path != "/text" || sent.To != "+6281234567842" || !strings.HasSuffix(sent.Text, "\n@127.0.0.1 #"+sent.Code) ||
			!strings.Contains(sent.Text, "Contoso") || len(sent.Text) > 160 {
			t.Errorf("sent %+v", sent)
		}
		b.Post("/reset/verify", "code", "00000000", "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		b.Post("/reset/verify", "code", sent.Code, "action", "verify").Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password is %v", got)
		}
		// No address is registered, so the user ID is told, and can stop what is going on.
		notice := p.Mail.Wait(t, 1)[0]
		if notice.To != "alain@contoso.com" || !strings.Contains(notice.Parse(t).Text, "/reset/dispute/") {
			t.Errorf("to %q:\n%s", notice.To, notice.Parse(t).Text)
		}
		noSecret(t, p, sent.Code, "81234567842", "1234567842", "0812 3456")
	})
}

func TestACallToTheOffice(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "budi@contoso.com")
		page := b.Post("/reset/verify", "destination", "(021) 555-0100", "action", "send").Want(http.StatusOK, "reset-verify")
		sent := p.Texts(t, 1)[0]
		if sent.Path != "/call" || sent.To != "+62215550100" || sent.Extension != "12" || strings.Count(sent.Text, "Sekali lagi") != 1 || strings.Contains(sent.Text, sent.Code) {
			t.Errorf("called %+v", sent)
		}
		if len(page.Choices("channel")) != 0 {
			t.Error("a text to an office phone is offered")
		}
		b.Post("/reset/verify", "code", sent.Code, "action", "verify").Want(http.StatusOK, "reset-password")
	})
}

// Whoever wants a call gets one, and may change over; the code stays the same.
func TestAMobilePhoneIsTextedOrCalled(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		page := toNumber(t, b, "alain@contoso.com")
		if got := page.Choices("channel"); len(got) != 2 {
			t.Errorf("offered: %q", got)
		}
		b.Post("/reset/verify", "destination", "0812 3456 7842", "channel", "call", "action", "send").Want(http.StatusOK, "reset-verify")
		p.Texts(t, 1)
		p.Clock.Advance(time.Second)
		b.Post("/reset/verify", "action", "resend").Want(http.StatusOK, "reset-verify")
		p.Texts(t, 2)
		p.Clock.Advance(time.Second)
		b.Post("/reset/verify", "action", "resend", "channel", "sms").Want(http.StatusOK, "reset-verify")
		all := p.Texts(t, 3)
		if all[0].Path != "/call" || all[1].Path != "/call" || all[2].Path != "/text" {
			t.Errorf("sent %+v", all)
		}
		if all[0].Code != all[1].Code || all[1].Code != all[2].Code {
			t.Error("the codes differ")
		}
	})
}

// A wrong number counts like a wrong code, and no message leaves.
func TestAWrongNumberCounts(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "alain@contoso.com")
		page := b.Post("/reset/verify", "destination", "my phone", "action", "send").Want(http.StatusUnprocessableEntity, "reset-verify")
		if page.Alert() != "phone-invalid" {
			t.Errorf("alert %q", page.Alert())
		}
		if page = b.Post("/reset/verify", "destination", "", "action", "send"); page.Alert() != "required" {
			t.Errorf("alert %q", page.Alert())
		}
		for i := range 5 {
			page = b.Post("/reset/verify", "destination", "0812 3456 7841", "action", "send").Want(http.StatusUnprocessableEntity, "reset-verify")
			if page.Alert() != "destination-wrong" {
				t.Fatalf("try %d: alert %q", i, page.Alert())
			}
			if typed, _ := page.Field("destination"); typed != "0812 3456 7841" {
				t.Errorf("what was typed is gone: %q", typed)
			}
		}
		// The right one comes too late, here and in another browser.
		if page = b.Post("/reset/verify", "destination", "0812 3456 7842", "action", "send"); page.Problem() != "blocked" {
			t.Errorf("after five: %q %q", page.Name(), page.Alert())
		}
		other := p.Browser()
		other.Get("/reset")
		if page = other.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Problem() != "blocked" {
			t.Errorf("another browser: %q", page.Name())
		}
		if n := len(p.Phones.Asks()); n != 0 {
			t.Errorf("%d messages", n)
		}
		reasons := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetGateFailed && e.Reason == "destination-wrong" {
				reasons++
			}
		}
		if reasons != 5 {
			t.Errorf("%d events", reasons)
		}
		noSecret(t, p, "81234567842", "3456 7841", "3456 7842")
	})
}

// Wrong numbers and wrong codes share one count.
func TestWrongNumbersAndCodesShareACount(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "alain@contoso.com")
		for range 3 {
			b.Post("/reset/verify", "destination", "0812 3456 7841", "action", "send").Want(http.StatusUnprocessableEntity, "reset-verify")
		}
		b.Post("/reset/verify", "destination", "0812 3456 7842", "action", "send").Want(http.StatusOK, "reset-verify")
		code := p.Texts(t, 1)[0].Code
		for range 2 {
			b.Post("/reset/verify", "code", "00000000", "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
		}
		if page := b.Post("/reset/verify", "code", code, "action", "verify"); page.Problem() != "blocked" {
			t.Errorf("the sixth answer: %q %q", page.Name(), page.Alert())
		}
	})
}

func TestParallelNumbersAreJudgedFiveTimes(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "alain@contoso.com")
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				_, err := b.Clone().Do(http.MethodPost, "/reset/verify", url.Values{"destination": {"081234567841"}, "action": {"send"}})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		judged := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetGateFailed && e.Reason == "destination-wrong" {
				judged++
			}
		}
		if judged != 5 || len(p.Phones.Asks()) != 0 {
			t.Errorf("%d were judged, %d messages sent", judged, len(p.Phones.Asks()))
		}
	})
}

// A number abroad that the policy does not name is listed with the reason, and
// nothing can be sent there.
func TestACountryThatIsNotAllowed(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		page := b.Post("/reset", "user_id", "dewi@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		if n := len(page.Choices("method")); n != 1 || !strings.Contains(page.Text(), "tidak mengirim SMS atau panggilan ke negara ini") {
			t.Errorf("%d methods:\n%s", n, page.Text())
		}
	})
}

func TestWithoutAGatewayPhonesAreNotOffered(t *testing.T) {
	o := phoneOptions()
	o.Phones = nil
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		page := b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		if n := len(page.Choices("method")); n != 1 || !strings.Contains(page.Text(), "belum disiapkan") {
			t.Errorf("%d methods:\n%s", n, page.Text())
		}
		if page = p.Browser().Get("/reset"); page.Status != http.StatusOK {
			t.Fatal(page.Status)
		}
		b.Get("/reset")
		if page = b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("only a phone: %q", page.Problem())
		}
	})
}

// What could not be sent is said within ten seconds, with another way beside it.
func TestAFailedTextIsSaid(t *testing.T) {
	o := phoneOptions()
	o.Phones.Answer = func(_ int, a notifytest.Ask) (int, string) {
		if a.Path == "/text" {
			return http.StatusForbidden, `{"error": "no credit for +6281234567843"}`
		}
		return 0, ""
	}
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "citra@contoso.com")
		b.Post("/reset/verify", "destination", "081234567843", "action", "send").Want(http.StatusOK, "reset-verify")
		page := eventually(t, func() (*kuncitest.Page, bool) {
			page := b.Get("/reset/verify").Want(http.StatusOK, "reset-verify")
			return page, page.Alert() == "send-failed"
		})
		if actions := strings.Join(page.Choices("action"), " "); !strings.Contains(actions, "back") || !strings.Contains(actions, "resend") {
			t.Errorf("offered: %s", actions)
		}
		if strings.Contains(page.Body, "<noscript>") {
			t.Error("a page that says the end asks to look again")
		}
		p.Clock.Advance(time.Second)
		b.Post("/reset/verify", "action", "resend", "channel", "call").Want(http.StatusOK, "reset-verify")
		calls := p.Texts(t, 2)
		b.Post("/reset/verify", "code", calls[1].Code, "action", "verify").Want(http.StatusOK, "reset-password")
		noSecret(t, p, "81234567843", "no credit", calls[1].Code)
	})
}

// A gateway that does not answer is looked after by the page's script, or by a
// link where none runs: a page that reloaded itself would take away what is being
// typed (WCAG 2.2, F41). After ten seconds it says that the code has not left.
func TestASlowGatewayIsSaid(t *testing.T) {
	o := phoneOptions()
	o.Phones.Answer = func(int, notifytest.Ask) (int, string) { return http.StatusServiceUnavailable, "" }
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "citra@contoso.com")
		page := b.Post("/reset/verify", "destination", "081234567843", "action", "send").Want(http.StatusOK, "reset-verify")
		p.Phones.Wait(t, 1)
		if !strings.Contains(page.Body, `<a class="button" href="">`) || strings.Contains(page.Body, "http-equiv") || page.Alert() != "" {
			t.Errorf("waiting: alert %q", page.Alert())
		}
		p.Clock.Advance(10 * time.Second)
		if page = b.Get("/reset/verify"); page.Alert() != "send-failed" {
			t.Errorf("after ten seconds: alert %q\n%s", page.Alert(), page.Text())
		}
	})
}

// eventually asks again until the answer is the one that is waited for.
func eventually(t *testing.T, ask func() (*kuncitest.Page, bool)) *kuncitest.Page {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		page, ok := ask()
		if ok {
			return page
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("it does not happen:\n%s", page.Text())
		}
	}
}

// From registering a phone to a reset with it.
func TestAPhoneIsRegisteredAndResets(t *testing.T) {
	o := phoneOptions()
	o.Accounts = "user_id,password\nhana@contoso.com,teapot harbour violin\n"
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "hana@contoso.com", "")
		page := me.Get("/security-info/add?kind=mobile_phone").Want(http.StatusOK, "security-info-add")
		if !page.Has("/security-info/add") || !strings.Contains(page.Text(), "diambil alih") || !strings.Contains(page.Body, "kind=authenticator_code") {
			t.Errorf("the risk and a safer method are not told:\n%s", page.Text())
		}
		for typed, want := range map[string]string{
			"": "required", "0812": "phone-invalid", "0809 1 123 456": "phone-cost", "021 555 0100": "phone-not-mobile", "+65 8123 4567": "phone-country",
		} {
			page = me.Post("/security-info/add", "kind", "mobile_phone", "phone", typed).Want(http.StatusUnprocessableEntity, "security-info-add")
			if kept, _ := page.Field("phone"); page.Alert() != want || kept != typed {
				t.Errorf("%q: alert %q, kept %q", typed, page.Alert(), kept)
			}
		}
		if n := len(p.Phones.Asks()); n != 0 {
			t.Fatalf("%d messages to refused numbers", n)
		}
		me.Post("/security-info/add", "kind", "mobile_phone", "phone", "0812 3456 7842").Want(http.StatusOK, "security-info-add")
		code := p.Texts(t, 1)[0].Code
		if len(rows(me.Get("/security-info"))) != 0 {
			t.Error("it counts before it is proved")
		}
		page = me.Post("/security-info/add", "kind", "mobile_phone", "code", "00000000").Want(http.StatusUnprocessableEntity, "security-info-add")
		if page.Alert() != "code-wrong" {
			t.Errorf("alert %q", page.Alert())
		}
		page = me.Post("/security-info/add", "kind", "mobile_phone", "code", code).Want(http.StatusOK, "security-info")
		if len(rows(page)) != 1 {
			t.Errorf("rows %v", rows(page))
		}
		b := p.Browser()
		toNumber(t, b, "hana@contoso.com")
		b.Post("/reset/verify", "destination", "081234567842", "action", "send").Want(http.StatusOK, "reset-verify")
		second := p.Texts(t, 2)[1].Code
		if second == code {
			t.Error("the code of the registration is used again")
		}
		b.Post("/reset/verify", "code", second, "action", "verify").Want(http.StatusOK, "reset-password")
		noSecret(t, p, "81234567842", code, second)
	})
}

// At sign-in the number is not typed: the password was, and the code goes to
// the registered phone alone.
func TestAPhoneIsASecondFactor(t *testing.T) {
	each(t, phoneOptions(), func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/signin").Want(http.StatusOK, "signin")
		b.Post("/signin", "user_id", "alain@contoso.com").Want(http.StatusOK, "signin-password")
		page := b.Post("/signin/password", "password", kuncitest.OldPassword).Want(http.StatusOK, "signin-verify")
		if len(p.Phones.Asks()) != 0 {
			t.Error("a message was sent before somebody asked for it")
		}
		id := page.Choices("method")[0]
		page = b.Post("/signin/verify", "method", id, "destination", "+6581234567", "action", "send").Want(http.StatusOK, "signin-verify")
		p.Texts(t, 1)
		if _, asked := page.Field("destination"); asked {
			t.Error("the number is asked for")
		}
		p.Clock.Advance(time.Second)
		b.Post("/signin/verify", "method", id, "action", "resend", "channel", "call").Want(http.StatusOK, "signin-verify")
		all := p.Texts(t, 2)
		if all[0].To != "+6281234567842" || all[1].To != all[0].To || all[1].Path != "/call" || all[1].Code != all[0].Code {
			t.Errorf("sent %+v", all)
		}
		if page = b.Post("/signin/verify", "method", id, "code", all[1].Code, "action", "verify"); page.Name() == "signin-verify" {
			t.Errorf("not let in: %q", page.Alert())
		}
		noSecret(t, p, "81234567842", all[1].Code)
	})
}

// Twilio says afterwards that a text did not arrive: the page says so too.
func TestTwilioSaysThatATextDidNotArrive(t *testing.T) {
	o := phoneOptions()
	o.Twilio = true
	each(t, o, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toNumber(t, b, "citra@contoso.com")
		b.Post("/reset/verify", "destination", "081234567843", "action", "send").Want(http.StatusOK, "reset-verify")
		ask := p.Phones.Wait(t, 1)[0]
		address := ask.Form.Get("StatusCallback")
		if !strings.HasPrefix(address, p.URL+"/hooks/twilio/sms/") {
			t.Fatalf("call-back at %s", address)
		}
		form := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "To": {"+6281234567843"}}
		report := func(token string, want int) {
			t.Helper()
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("X-Twilio-Signature", notifytest.SignTwilio(token, address, form))
			response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != want {
				t.Errorf("answered %d, want %d", response.StatusCode, want)
			}
		}
		report("another token", http.StatusForbidden)
		if page := b.Get("/reset/verify"); page.Alert() != "" {
			t.Errorf("a stranger's report is believed: %q", page.Alert())
		}
		report(notifytest.TwilioToken, http.StatusNoContent)
		report(notifytest.TwilioToken, http.StatusNoContent)
		if page := b.Get("/reset/verify"); page.Alert() != "send-failed" {
			t.Errorf("alert %q", page.Alert())
		}
	})
}
