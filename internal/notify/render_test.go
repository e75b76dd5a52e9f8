package notify_test

import (
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/notify"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const agent = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"

func codeBody(purpose string) notify.Code {
	return notify.Code{
		Purpose: purpose, Code: "48151623", Minutes: 10, UserID: "alain@contoso.com",
		IP: "192.0.2.7", Browser: agent, SupportCode: "K3Y-42", At: noon,
	}
}

// bodies are all bodies there are.
func bodies() map[string]notify.Body {
	all := map[string]notify.Body{}
	for _, p := range []string{notify.PurposeReset, notify.PurposeSignIn, notify.PurposeRegister, notify.PurposeStepUp, notify.PurposeCaller} {
		all["code "+p] = codeBody(p)
	}
	for _, w := range []string{notify.PasswordReset, notify.PasswordChanged, notify.PasswordUnlocked, notify.PasswordFirst} {
		all["password "+w] = notify.PasswordNotice{What: w, UserID: "alain@contoso.com", IP: "192.0.2.7", Browser: agent, At: noon, DisputeURL: "https://kunci.test/reset/dispute/x"}
	}
	for _, a := range []string{notify.MethodAdded, notify.MethodChanged, notify.MethodDeleted, notify.MethodDisabled, notify.MethodIssued, notify.MethodConfirmed} {
		all["method "+a] = notify.MethodNotice{Action: a, Kind: "email", Masked: "a…@e…", UserID: "alain@contoso.com", At: noon, UndoURL: "https://kunci.test/undo/x", DisputeURL: "https://kunci.test/reset/dispute/x"}
	}
	for _, p := range []string{"not-enabled", "not-verified", "blocked", "directory-refused", "directory-unavailable", "something"} {
		all["request "+p] = notify.RequestNotice{UserID: "alain@contoso.com", Problem: p, Text: "Please help", At: noon}
	}
	all["answer"] = notify.RequestAnswer{UserID: "alain@contoso.com", Text: "Please come to desk three.\nBring your card.", SupportCode: "K3Y-42", At: noon}
	all["digest"] = notify.RequestDigest{Open: 3, Unassigned: 1, Oldest: noon}
	all["dispute"] = notify.DisputeNotice{UserID: "alain@contoso.com", IP: "2001:db8::1", At: noon}
	for _, r := range []string{"owner", "helpdesk", ""} {
		all["role "+r] = notify.RoleNotice{Who: "alain@contoso.com", Role: r, By: "adele@contoso.com", At: noon}
	}
	all["role of a group"] = notify.RoleNotice{Group: "Kunci Desk", Role: "auditor", At: noon}
	all["webhook that fails"] = notify.WebhookNotice{Host: "siem.contoso.com", Code: "status-500", Since: noon, At: noon}
	all["webhook that is gone"] = notify.WebhookNotice{Host: "siem.contoso.com", Code: "status-410", Gone: true, Since: noon, At: noon}
	all["directory"] = notify.DirectoryNotice{Servers: []string{"ldaps://ldap.contoso.com"}, By: "adele@contoso.com", IP: "192.0.2.7", At: noon}
	all["directory here"] = notify.DirectoryNotice{At: noon}
	all["admin"] = notify.AdminNotice{UserID: "adele@contoso.com", At: noon}
	return all
}

func TestEveryBodyInEveryLanguage(t *testing.T) {
	for _, lang := range i18n.Languages() {
		for name, body := range bodies() {
			m, err := notify.Render(lang, "Contoso", "#0f6cbd", body)
			if err != nil {
				t.Fatalf("%s %s: %v", lang, name, err)
			}
			for part, text := range map[string]string{"subject": m.Subject, "text": m.Text, "html": m.HTML} {
				if strings.Contains(text, "notify.") || strings.Contains(text, "<no value>") || strings.Contains(text, "ZgotmplZ") {
					t.Errorf("%s %s: the %s shows a key or a hole:\n%s", lang, name, part, text)
				}
			}
			if strings.Contains(m.HTML, "http") && strings.Count(m.HTML, "http") != strings.Count(m.HTML, "https://kunci.test/") {
				t.Errorf("%s %s: the HTML part reaches out to elsewhere", lang, name)
			}
			for line := range strings.Lines(m.Text) {
				if len([]rune(line)) > 100 {
					t.Errorf("%s %s: a long line in the text part: %q", lang, name, line)
				}
			}
		}
	}
}

func TestCodeMailSaysWhatItIsFor(t *testing.T) {
	m, err := notify.Render("en", "Contoso", "", codeBody(notify.PurposeReset))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{strings.Join(strings.Fields(m.Text), " "), m.HTML} {
		for _, want := range []string{
			"48151623", "resetting the password", "never ask for it", "10 minutes", "alain@contoso.com",
			"23 November 2026 at 12:00 UTC", "Chrome on Android", "192.0.2.7", "K3Y-42",
		} {
			if !strings.Contains(part, want) {
				t.Errorf("a part lacks %q:\n%s", want, part)
			}
		}
	}
}

func TestNoCodeOutsideTheBody(t *testing.T) {
	for _, lang := range i18n.Languages() {
		for _, purpose := range []string{notify.PurposeReset, notify.PurposeSignIn, notify.PurposeRegister, notify.PurposeStepUp, notify.PurposeCaller} {
			m, err := notify.Render(lang, "Contoso", "", codeBody(purpose))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(m.Subject, "48151623") {
				t.Errorf("the subject holds the code: %q", m.Subject)
			}
			// What mail programs show beside the subject is the start of the body.
			head, _, _ := strings.Cut(m.HTML, "<h1")
			if strings.Contains(head, "48151623") {
				t.Error("the preview holds the code")
			}
		}
	}
}

func TestForeignTextIsHarmless(t *testing.T) {
	evil := `<img src=x onerror=alert(1)> visit https://evil.example/x or www.evil.example` + "\u202e\x1b[31m\r\nBcc: x@evil.example"
	cases := map[string]notify.Body{
		"request": notify.RequestNotice{UserID: "alain@contoso.com", Problem: evil, Text: evil, IP: evil, Browser: evil, SupportCode: evil, At: noon},
		"code":    notify.Code{Purpose: evil, Code: "12345678", UserID: "alain@contoso.com", IP: evil, Browser: evil, SupportCode: evil, At: noon},
		"method":  notify.MethodNotice{Action: notify.MethodAdded, Kind: evil, UserID: "alain@contoso.com", Browser: evil, At: noon},
	}
	for name, body := range cases {
		m, err := notify.Render("en", "Contoso", `red;background:url(https://evil.example)`, body)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{m.Subject, m.Text, m.HTML} {
			for _, bad := range []string{"://", "evil.example", "\u202e", "\x1b", "\nBcc:"} {
				if strings.Contains(part, bad) {
					t.Errorf("%s holds %q:\n%s", name, bad, part)
				}
			}
		}
		if strings.Contains(m.HTML, "<img") {
			t.Errorf("%s: HTML of a stranger is not escaped", name)
		}
		if name != "request" && strings.Contains(m.Text+m.HTML, "evil") {
			t.Errorf("%s shows text of a stranger beside a code or a link", name)
		}
	}
}

func TestOrganizationNameCarriesNoAddress(t *testing.T) {
	m, err := notify.Render("en", "Call +1 555\r\nX: y https://evil.example "+strings.Repeat("x", 200), "", codeBody(notify.PurposeReset))
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(m.Subject, "\r\n") || strings.Contains(m.Subject, "evil.example") || len([]rune(m.Subject)) > 120 {
		t.Errorf("subject %q", m.Subject)
	}
}

func TestTemplateTextIsNotATemplate(t *testing.T) {
	m, err := notify.Render("en", "{{.Body}}{{range}}", "", notify.RequestNotice{UserID: "u", Text: "{{.Footer}}", At: noon})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(m.Subject, "{{[.]Body}}") && !strings.Contains(m.Subject, "{{.Body}}") {
		t.Errorf("subject %q", m.Subject)
	}
	if !strings.Contains(m.Text, "{{.Footer}}") {
		t.Errorf("text %q", m.Text)
	}
}

func TestRequestHasNoLinkAndSaysUnverified(t *testing.T) {
	m, err := notify.Render("en", "Contoso", "", notify.RequestNotice{UserID: "alain@contoso.com", Text: "see http://a.example\nsecond line", At: noon})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(m.HTML, "<a ") || !strings.Contains(m.HTML, "Unverified") || !strings.Contains(m.Text, "> second line") {
		t.Errorf("text:\n%s\nhtml:\n%s", m.Text, m.HTML)
	}
}

func FuzzRequestText(f *testing.F) {
	f.Add("hello https://a.b/c")
	f.Add("a.b.c\r\n\r\nd\x00\u202e")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := notify.Render("en", "Contoso", "", notify.RequestNotice{UserID: s, Text: s, Browser: s, IP: s, SupportCode: s, At: noon})
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(m.Text, "\x00\x1b\u202e\r") || strings.Contains(m.HTML, "<a ") {
			t.Fatalf("%q", m.Text)
		}
	})
}
