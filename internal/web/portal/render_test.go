package portal

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/web/page"
)

// story is one state of a page, with sample data.
type story struct {
	name, template, path string
	page                 func() page.Page
}

func stories() []story {
	brand := page.Brand{Name: "Contoso", Support: page.Support{Email: "helpdesk@contoso.example", Phone: "+62 21 555"}}
	base := func(name, title string) page.Base {
		return page.Base{Name: name, Title: title, Brand: brand, UserID: "alain@contoso.com", BackTo: "/reset"}
	}
	choices := func(kind method.Kind) []reset.Choice {
		return []reset.Choice{{ID: "1", Kind: kind, Name: "Phone", Masked: "a…@e…", Usable: true}}
	}
	all := []story{
		{"identify", "reset_identify", "/reset?user_id=a%40b.c", func() page.Page {
			return &identifyPage{Base: base("reset-identify", "reset.identify.title"), Reason: "forgot", Reasons: reasons, Altcha: "{}", Wait: "x", WaitSeconds: 5}
		}},
		{"password", "reset_password", "/reset/password", func() page.Page {
			return &passwordPage{Base: base("reset-password", "reset.password.title"), Rules: []ruleLine{{"too_short", "12", 12}}, CanUnlock: true}
		}},
		{"done", "reset_done", "/reset/done", func() page.Page { return &donePage{Base: base("reset-done", "reset.done.title")} }},
		{"unlocked", "reset_done", "/reset/done", func() page.Page {
			return &donePage{Base: base("unlock-done", "reset.unlocked.title"), Unlocked: true}
		}},
		{"contact", "reset_contact", "/reset/contact", func() page.Page {
			return &contactPage{Base: base("reset-contact", "reset.contact.title"), Org: "Contoso"}
		}},
		{"contact-sent", "reset_contact", "/reset/contact?sent", func() page.Page {
			return &contactPage{Base: base("reset-contact-sent", "reset.contact.sent.title"), Org: "Contoso", Sent: true}
		}},
		{"dispute", "reset_dispute", "/reset/dispute/x", func() page.Page {
			return &disputePage{Base: base("reset-dispute", "reset.dispute.title"), Org: "Contoso"}
		}},
		{"dispute-done", "reset_dispute", "/reset/dispute/x", func() page.Page {
			return &disputePage{Base: base("reset-dispute-done", "reset.dispute.done.title"), Org: "Contoso", Frozen: true}
		}},
		{"unsupported", "unsupported_browser", "/unsupported-browser", func() page.Page {
			return &unsupportedPage{Base: base("unsupported-browser", "unsupported.title"), Address: "https://reset.example/reset", QR: QRCode{33, "M0 0h1v1h-1z"}}
		}},
	}
	for i, c := range []pushWait{{}, {Number: "42", Address: "https://kunci.example/x"}, {Answered: true}} {
		all = append(all, story{fmt.Sprintf("waiting for a device %d", i), "reset_verify", "/reset/verify", func() page.Page {
			return &verifyPage{Base: base("reset-verify", "reset.verify.title.authenticator_push"), Gate: 1, Gates: 2,
				Chosen: choices(method.AuthenticatorPush)[0], pushWait: c}
		}}, story{fmt.Sprintf("waiting for a device to sign in %d", i), "signin_verify", "/signin/verify", func() page.Page {
			return &signinVerifyPage{Base: base("signin-verify", "reset.verify.title.authenticator_push"), Choices: []factorLine{{ID: "1"}}, Several: true,
				Chosen: factorLine{ID: "1", Kind: method.AuthenticatorPush}, Next: "/password", pushWait: c}
		}})
	}
	line := pushLine{ID: "r", UserID: "alain@contoso.com", Org: "Contoso", Browser: "Firefox", Place: "192.0.2.7", At: time.Unix(1, 0)}
	for _, purpose := range []challenge.Purpose{challenge.Reset, challenge.SignIn, challenge.StepUp} {
		line.Purpose = purpose
		for i, c := range []pushPage{
			{Devices: []string{"Ponsel"}, Requests: []pushLine{line, line}}, {Devices: []string{"Ponsel"}, Push: page.PushKey{Key: "BK", Send: true}},
			{Devices: []string{"Ponsel"}, Subscribed: true}, {Devices: []string{"Ponsel"}}, {},
		} {
			all = append(all, story{fmt.Sprintf("device %s %d", purpose, i), "push", "/push", func() page.Page {
				c.Base = base("push-approve", "push.title")
				return &c
			}})
		}
	}
	all = append(all, securityInfoStories(base)...)
	all = append(all, signinStories(base)...)
	for _, kind := range method.Kinds() {
		if !kind.Built() || !kind.ProvesReset() {
			continue
		}
		all = append(all,
			story{"choose " + string(kind), "reset_verify", "/reset/verify", func() page.Page {
				return &verifyPage{Base: base("reset-choose", "reset.choose.title"), Gate: 1, Gates: 2, Choices: choices(kind)}
			}},
			story{"verify " + string(kind), "reset_verify", "/reset/verify", func() page.Page {
				var asked []questionLine
				if kind == method.SecurityQuestions {
					asked = []questionLine{{"answer_1", "Why?"}, {"answer_2", "Who?"}}
				}
				return &verifyPage{Base: base("reset-verify", "reset.verify.title."+string(kind)), Gate: 1, Gates: 2, Questions: asked,
					Chosen: choices(kind)[0], Passkey: page.Passkey{Options: "{}"}, delivery: delivery{Sends: challenge.Sends(kind), Sent: true}, Numeric: numeric(kind), Digits: 8, Minutes: 10}
			}})
		if kind.Typed() {
			all = append(all, story{"hidden " + string(kind), "reset_verify", "/reset/verify", func() page.Page {
				return &verifyPage{Base: base("reset-verify", "reset.verify.title."+string(kind)), Hidden: true, Chosen: reset.Choice{ID: "kind:x", Kind: kind},
					delivery: delivery{Sends: challenge.Sends(kind)}, Numeric: numeric(kind), NeedsNumber: challenge.Sends(kind), Digits: 8, Minutes: 10}
			}})
		}
		if !challenge.Sends(kind) {
			continue
		}
		for i, c := range []verifyPage{
			{}, {Hidden: true, delivery: delivery{Sent: true, To: "a@example.net"}}, {delivery: delivery{Sent: true, Waiting: true}}, {delivery: delivery{Sent: true, Waiting: true, Late: true}},
			{NeedsNumber: true, delivery: delivery{CanText: true}}, {NeedsNumber: true, delivery: delivery{CanCall: true}},
			{NeedsNumber: true, delivery: delivery{CanText: true, CanCall: true}},
			{delivery: delivery{Sent: true, Channel: "sms", CanText: true, CanCall: true}},
			{delivery: delivery{Sent: true, Channel: "call", CanText: true, CanCall: true}},
		} {
			if c.NeedsNumber && kind.Class() != method.PhoneLine {
				continue
			}
			all = append(all, story{fmt.Sprintf("verify %s in state %d", kind, i), "reset_verify", "/reset/verify", func() page.Page {
				c.Base, c.Chosen, c.Sends = base("reset-verify", "reset.verify.title."+string(kind)), choices(kind)[0], true
				c.Numeric, c.Digits, c.Minutes = true, 8, 10
				return &c
			}})
		}
	}
	for _, code := range append(append([]problem.Code{problem.NotManaged, problem.Expired, problem.Cookies}, reset.Contactable...), faults...) {
		all = append(all, story{"problem " + string(code), "reset_problem", "/reset/problem?why=" + string(code), func() page.Page {
			b := base("reset-problem", "reset.problem."+string(code)+".title")
			b.Problem = string(code)
			return &problemPage{Base: b, Org: "Contoso", Wait: 24 * time.Hour, Contact: true, Restart: true}
		}})
	}
	return all
}

var (
	tag    = regexp.MustCompile(`(?s)<[^>]*>`)
	rawKey = regexp.MustCompile(`\b(?:accounts|action|captcha|change|field|interrupt|kind|page|passkey|password|problem|push|reset|securityinfo|signin|signout|unsupported)\.[a-z_]+[a-z_.-]*\b`)
)

// Every page is written in every language, in sentences: a key that a
// catalogue lacks, or a template asks for wrongly, is found here.
func TestEveryPageSpeaksEveryLanguage(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range i18n.Languages() {
		for _, s := range stories() {
			t.Run(lang+" "+s.name, func(t *testing.T) {
				r := httptest.NewRequest("GET", s.path, nil)
				r = r.WithContext(page.WithRequest(r.Context(), lang, "supportcode1", "192.0.2.1"))
				w := httptest.NewRecorder()
				if err := pages.Write(w, r, 200, s.template, s.page()); err != nil {
					t.Fatal(err)
				}
				body, _ := io.ReadAll(w.Result().Body)
				text := tag.ReplaceAllString(string(body), " ")
				// the sample addresses are no keys
				text = strings.ReplaceAll(text, "https://reset.example/reset", "")
				if key := rawKey.FindString(text); key != "" {
					t.Errorf("it shows the key %s", key)
				}
				if strings.Contains(text, "<no value>") || strings.Contains(string(body), "ZgotmplZ") {
					t.Errorf("a value is missing:\n%s", text)
				}
				if n := strings.Count(string(body), `class="primary"`) + strings.Count(string(body), `class="button primary"`); n > 1 {
					t.Errorf("%d primary buttons", n)
				}
				if strings.Contains(string(body), `data-page=""`) {
					t.Error("the page has no name")
				}
				if !strings.Contains(string(body), `<meta name="referrer" content="same-origin">`) {
					t.Error("a browser without Sec-Fetch-Site would send Origin: null with its forms, and be refused")
				}
			})
		}
	}
}

// Changing the language keeps what else the address says.
func TestTheLanguageSwitchKeepsTheAddress(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/reset/contact?sent":            "/reset/contact?lang=id&amp;sent=",
		"/reset/problem?why=busy":        "/reset/problem?lang=id&amp;why=busy",
		"/reset?user_id=a%40b.c&lang=en": "/reset?lang=id&amp;user_id=a%40b.c",
		"/reset":                         "/reset?lang=id",
	} {
		r := httptest.NewRequest("GET", path, nil)
		r = r.WithContext(page.WithRequest(r.Context(), "en", "", ""))
		w := httptest.NewRecorder()
		if err := pages.Write(w, r, 200, "reset_done", &donePage{Base: page.Base{Title: "reset.done.title"}}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(w.Body.String(), `href="`+want+`"`) {
			t.Errorf("%s: no link to %s", path, want)
		}
	}
}
