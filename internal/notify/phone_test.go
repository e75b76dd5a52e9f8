package notify_test

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/notify/notifytest"
)

var purposes = []string{notify.PurposeReset, notify.PurposeSignIn, notify.PurposeRegister, notify.PurposeStepUp}

// A text is one text, in every language and for every purpose, also where the
// organization's name is long, and ends with the line that browsers read.
func TestATextIsOneText(t *testing.T) {
	const host = "reset.contoso.example"
	for _, lang := range i18n.Languages() {
		for _, purpose := range purposes {
			for _, org := range []string{"Contoso", "PT", strings.Repeat("Perusahaan Sejahtera Abadi ", 4), "Größe & Söhne [Holding] {x}"} {
				p := notify.RenderPhone(notify.ByText, lang, org, host, notify.Code{Purpose: purpose, Code: "123456789012"})
				if n := len([]rune(p.Text)); n > 160 {
					t.Errorf("%s %s: %d characters:\n%s", lang, purpose, n, p.Text)
				}
				if !strings.HasPrefix(p.Text, "123456789012 ") || !strings.HasSuffix(p.Text, "\n@reset.contoso.example #123456789012") {
					t.Errorf("%s %s:\n%s", lang, purpose, p.Text)
				}
				if strings.Contains(p.Text, "notify.") {
					t.Errorf("it shows a key: %s", p.Text)
				}
			}
		}
	}
	p := notify.RenderPhone(notify.ByText, "en", "Call +1 900 234 5678 or visit evil.com", host, notify.Code{Purpose: "reset", Code: "12345678"})
	if strings.Contains(p.Text, "evil.com") {
		t.Errorf("a name became a link: %s", p.Text)
	}
}

// A code for the helpdesk says that it is read out, to whom, and for what; no
// browser fills it in, and it does not say that nobody asks for it.
func TestACodeForTheHelpdeskSaysSo(t *testing.T) {
	for lang, want := range map[string][2]string{"id": {"tim bantuan", "tidak pernah"}, "en": {"helpdesk", "ever ask"}} {
		code := notify.Code{Purpose: notify.PurposeCaller, Code: "123456789012", Minutes: 10, UserID: "alain@contoso.com", IP: "192.0.2.7", Browser: agent, At: noon}
		for _, channel := range []notify.Channel{notify.ByText, notify.ByCall} {
			p := notify.RenderPhone(channel, lang, strings.Repeat("Contoso ", 12), "reset.contoso.example", code)
			if !strings.Contains(p.Text, want[0]) || strings.Contains(p.Text, want[1]) || strings.Contains(p.Text, "@reset.contoso.example") || strings.Contains(p.Text, "notify.") {
				t.Errorf("%s %s: %s", lang, channel, p.Text)
			}
			if n := len([]rune(p.Text)); channel == notify.ByText && n > 160 {
				t.Errorf("%s: %d characters: %s", lang, n, p.Text)
			}
		}
		m, err := notify.Render(lang, "Contoso", "", code)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.Text, want[0]) || strings.Contains(m.Text, want[1]) || strings.Contains(m.Text, "192.0.2.7") || strings.Contains(m.Text, "Android") {
			t.Errorf("%s: %s", lang, m.Text)
		}
	}
}

// A call says the code digit by digit, in groups that can be written down, twice.
func TestACallSaysTheCodeTwice(t *testing.T) {
	for code, says := range map[string]map[string]string{
		"123450":       {"id": "satu, dua, tiga. empat, lima, nol.", "en": "one, two, three. four, five, zero."},
		"12345678":     {"id": "satu, dua, tiga, empat. lima, enam, tujuh, delapan.", "en": "one, two, three, four. five, six, seven, eight."},
		"1234567":      {"en": "one, two, three, four. five, six, seven."},
		"123456789012": {"en": "one, two, three, four. five, six, seven, eight. nine, zero, one, two."},
	} {
		for lang, want := range says {
			p := notify.RenderPhone(notify.ByCall, lang, "Contoso", "x.example", notify.Code{Purpose: "reset", Code: code})
			if n := strings.Count(p.Text, want); n != 2 || strings.Contains(p.Text, code) || strings.Contains(p.Text, "notify.") {
				t.Errorf("%s %s: %d times: %s", lang, code, n, p.Text)
			}
		}
	}
}

func phone(channel notify.Channel) notify.Phone {
	p := notify.RenderPhone(channel, "id", "Contoso", "reset.contoso.example", notify.Code{Purpose: "reset", Code: "12345678"})
	p.To, p.ID = "+6281234567842", "message-1"
	if channel == notify.ByCall {
		p.Extension = "12"
	}
	return p
}

func plainGateway(t *testing.T, c notify.HTTPConfig) *notify.HTTP {
	t.Helper()
	if c.Method == "" {
		c.Method = "POST"
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	g, err := notify.NewHTTP(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Values are written the way the body's type says, so that no text ends its field.
func TestARequestIsWritten(t *testing.T) {
	nasty := phone(notify.ByText)
	nasty.Text = "a \"b\" \\ <c> &d={code}\n+e 100%"
	for _, c := range []struct {
		kind, body string
		read       func(body string) (to, text string)
	}{
		{"application/json", `{"to":"{to}","msg":"{text}"}`, func(body string) (string, string) {
			var v struct{ To, Msg string }
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			return v.To, v.Msg
		}},
		{"application/x-www-form-urlencoded", `to={to}&msg={text}`, func(body string) (string, string) {
			v, err := url.ParseQuery(body)
			if err != nil {
				t.Errorf("%s: %v", body, err)
			}
			return v.Get("to"), v.Get("msg")
		}},
		{"application/xml", `<sms to="{to}"><msg>{text}</msg></sms>`, func(body string) (string, string) {
			var v struct {
				To  string `xml:"to,attr"`
				Msg string `xml:"msg"`
			}
			if err := xml.Unmarshal([]byte(body), &v); err != nil {
				t.Errorf("%s: %v", body, err)
			}
			return v.To, v.Msg
		}},
		{"text/plain", "{to} {text}", func(body string) (string, string) {
			to, text, _ := strings.Cut(body, " ")
			return to, text
		}},
	} {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
		g := plainGateway(t, notify.HTTPConfig{
			URL: gateway.URL + "/{to_digits}/send?key={secret}&id={id}&text={text}", Body: c.body, ContentType: c.kind,
			Header: [][2]string{{"X-Api-Key", "k3y"}}, Secret: "s&cret", SuccessStatus: []int{200}, SuccessPattern: regexp.MustCompile(`"0"`),
		})
		if err := g.SendPhone(t.Context(), nasty); err != nil {
			t.Fatal(err)
		}
		ask := gateway.Asks()[0]
		if to, text := c.read(ask.Body); to != nasty.To || text != nasty.Text {
			t.Errorf("%s: to %q, text %q", c.kind, to, text)
		}
		query, err := url.ParseQuery(ask.Query)
		if err != nil || query.Get("key") != "s&cret" || query.Get("id") != "message-1" || query.Get("text") != nasty.Text ||
			ask.Path != "/6281234567842/send" || ask.Header.Get("X-Api-Key") != "k3y" || !strings.HasPrefix(ask.ContentType, c.kind) {
			t.Errorf("%s: %+v, %v", c.kind, ask, err)
		}
	}
}

// What a gateway answers decides whether it is tried again; nothing of it, and
// nothing of the number, stands in the error.
func TestWhatAGatewayAnswers(t *testing.T) {
	for _, c := range []struct {
		name      string
		status    int
		body      string
		good      bool
		permanent bool
	}{
		{"taken", 200, `{"status":"0"}`, true, false},
		{"another status", 202, `{"status":"0"}`, false, false},
		{"not the pattern", 200, `{"status":"7"}`, false, false},
		{"wrong key", 401, "bad key k3y", false, true},
		{"wrong number", 400, "+6281234567842 is wrong", false, true},
		{"too many", 429, "", false, false},
		{"down", 503, "", false, false},
		{"redirect", 302, "", false, true},
	} {
		gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{Answer: func(int, notifytest.Ask) (int, string) { return c.status, c.body }})
		g := plainGateway(t, notify.HTTPConfig{
			URL: gateway.URL + "/{to}", Body: `"{text}"`, ContentType: "application/json", SuccessStatus: []int{200, 201}, SuccessPattern: regexp.MustCompile(`"0"`),
		})
		err := g.SendPhone(t.Context(), phone(notify.ByText))
		if (err == nil) != c.good || notify.IsPermanent(err) != c.permanent {
			t.Errorf("%s: %v", c.name, err)
		}
		quiet(t, err)
	}
}

func quiet(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{"81234567842", "k3y", "12345678", notifytest.TwilioToken} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats %q: %v", secret, err)
		}
	}
}

func TestAGatewayThatIsNotThere(t *testing.T) {
	hangs := notifytest.StartGateway(t, notifytest.GatewayOptions{Answer: func(int, notifytest.Ask) (int, string) { return notifytest.Hang, "" }})
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	for address, want := range map[string]string{
		hangs.URL:                "does not answer in time",
		"http://127.0.0.1:1":     "cannot be reached",
		untrusted.URL:            "not trusted",
		"http://127.0.0.1:1/%zz": "cannot be used",
	} {
		patience := time.Minute
		if address == hangs.URL {
			patience = 300 * time.Millisecond
		}
		g := plainGateway(t, notify.HTTPConfig{URL: address + "/{to}", ContentType: "text/plain", Timeout: patience})
		err := g.SendPhone(t.Context(), phone(notify.ByText))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
		quiet(t, err)
	}
	// No redirect is followed: keys and codes would go where nobody sent them.
	followed := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	t.Cleanup(elsewhere.Close)
	redirecting := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	g := plainGateway(t, notify.HTTPConfig{URL: redirecting.URL, Body: "{to}{text}", ContentType: "text/plain"})
	if err := g.SendPhone(t.Context(), phone(notify.ByText)); err == nil || followed {
		t.Errorf("followed: %v, %v", followed, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.SendPhone(ctx, phone(notify.ByText)); err == nil {
		t.Error("it sends although the node is stopping")
	}
}

func twilio(t *testing.T, base string, change func(*notify.TwilioConfig)) *notify.Twilio {
	t.Helper()
	c := notify.TwilioConfig{
		AccountSID: notifytest.TwilioSID, AuthToken: notifytest.TwilioToken, From: "+14255550100", BaseURL: base + "/",
		PublicURL: "https://reset.contoso.example/", Timeout: 5 * time.Second,
	}
	if change != nil {
		change(&c)
	}
	out, err := notify.NewTwilio(c, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Whoever reads a language is called by a voice of that language.
func TestEveryLanguageHasAVoice(t *testing.T) {
	gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
	for n, lang := range i18n.Languages() {
		p := notify.RenderPhone(notify.ByCall, lang, "Contoso", "x.example", notify.Code{Purpose: "signin", Code: "12345678"})
		p.To = "+62215550100"
		if err := twilio(t, gateway.URL, nil).SendPhone(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		f := gateway.Asks()[n].Form
		if !strings.Contains(f.Get("Twiml"), `<Say language="`+lang+`-`) || f.Has("SendDigits") {
			t.Errorf("%s: %v", lang, f)
		}
	}
}

func TestTwilio(t *testing.T) {
	gateway := notifytest.StartGateway(t, notifytest.GatewayOptions{})
	text, call := phone(notify.ByText), phone(notify.ByCall)
	text.ExpiresAt = time.Now().Add(10 * time.Minute)
	if err := twilio(t, gateway.URL, nil).SendPhone(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	service := twilio(t, gateway.URL, func(c *notify.TwilioConfig) { c.From, c.ServiceSID = "", "MG1" })
	if err := service.SendPhone(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := twilio(t, gateway.URL, nil).SendPhone(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	asks := gateway.Asks()
	f := asks[0].Form
	if asks[0].Path != "/2010-04-01/Accounts/"+notifytest.TwilioSID+"/Messages.json" || f.Get("To") != text.To || f.Get("Body") != text.Text ||
		f.Get("From") != "+14255550100" || f.Get("StatusCallback") != "https://reset.contoso.example/hooks/twilio/sms/message-1" ||
		f.Get("ValidityPeriod") < "590" || len(f.Get("ValidityPeriod")) != 3 {
		t.Errorf("a text: %+v", f)
	}
	if f = asks[1].Form; f.Get("MessagingServiceSid") != "MG1" || f.Has("From") {
		t.Errorf("by a service: %+v", f)
	}
	f = asks[2].Form
	if f.Get("To") != call.To || f.Get("SendDigits") != "wwww12" || f.Get("StatusCallback") != "https://reset.contoso.example/hooks/twilio/call/message-1" {
		t.Errorf("a call: %+v", f)
	}
	var markup struct {
		Say []struct {
			Language string `xml:"language,attr"`
			Text     string `xml:",chardata"`
		}
		Pause []struct {
			Length int `xml:"length,attr"`
		}
	}
	if err := xml.Unmarshal([]byte(f.Get("Twiml")), &markup); err != nil || len(markup.Say) != 7 || len(markup.Pause) != 8 || markup.Say[1].Text != markup.Say[4].Text || markup.Say[2].Text != markup.Say[5].Text {
		t.Errorf("%s: %+v, %v", f.Get("Twiml"), markup, err)
	}
	for _, say := range markup.Say {
		if say.Language != "id-ID" {
			t.Errorf("%q is said in %s", say.Text, say.Language)
		}
	}
	for _, rest := range markup.Pause {
		if rest.Length != 1 {
			t.Errorf("a pause of %d seconds", rest.Length)
		}
	}
	wrong := twilio(t, gateway.URL, func(c *notify.TwilioConfig) { c.AuthToken = "another" })
	if err := wrong.SendPhone(t.Context(), text); !notify.IsPermanent(err) {
		t.Errorf("a wrong token: %v", err)
	}
	text.To = "+0"
	err := twilio(t, gateway.URL, nil).SendPhone(t.Context(), text)
	if !notify.IsPermanent(err) {
		t.Errorf("a wrong number: %v", err)
	}
	quiet(t, err)
	if s := twilio(t, gateway.URL, nil); s == nil {
		t.Fatal("no sender")
	}
	if _, err := notify.NewTwilio(notify.TwilioConfig{}, time.Now); err == nil {
		t.Error("an empty configuration is taken")
	}
	for _, printed := range []string{
		notify.TwilioConfig{AccountSID: "AC1", AuthToken: "t0ken"}.String(), notify.HTTPConfig{URL: "https://x.example/?key=t0ken", Secret: "t0ken"}.String(),
	} {
		if strings.Contains(printed, "t0ken") {
			t.Errorf("printed: %s", printed)
		}
	}
	if err := errors.Join(twilio(t, gateway.URL, nil).Check(t.Context()), plainGateway(t, notify.HTTPConfig{URL: gateway.URL + "/{to}", ContentType: "text/plain"}).Check(t.Context())); err != nil {
		t.Errorf("a gateway that is there: %v", err)
	}
	if err := twilio(t, "http://127.0.0.1:1", nil).Check(t.Context()); err == nil {
		t.Error("a gateway that is not there is reached")
	}
}
