package portal

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/jba/templatecheck"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/web/page"
)

// A field or method that a template asks for and its struct lacks is found
// here, not by the person who opens the page.
func TestTemplatesFitTheirPages(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]any{
		"securityinfo_phone": &phonePage{}, "securityinfo_given": &givenPage{}, "reset_identify": &identifyPage{}, "reset_verify": &verifyPage{}, "reset_password": &passwordPage{}, "reset_done": &donePage{},
		"reset_problem": &problemPage{}, "reset_contact": &contactPage{}, "reset_dispute": &disputePage{}, "unsupported_browser": &unsupportedPage{},
		"securityinfo_passkey": &passkeyPage{}, "securityinfo_push": &pushAddPage{}, "push": &pushPage{},
		"owndata": &ownDataPage{}, "securityinfo_list": &infoPage{}, "securityinfo_add": &addPage{}, "securityinfo_delete": &methodPage{}, "securityinfo_undo": &methodPage{},
		"securityinfo_change": &methodPage{}, "securityinfo_email": &emailPage{}, "securityinfo_authenticator": &authenticatorPage{},
		"securityinfo_recovery": &recoveryPage{}, "securityinfo_token": &tokenPage{}, "securityinfo_questions": &questionsPage{},
		"signin": &signinPage{}, "signin_password": &signinPasswordPage{}, "signin_verify": &signinVerifyPage{}, "signin_pass": &signinPassPage{}, "signin_provider": &signinProviderPage{}, "signout_provider": &signoutProviderPage{}, "accounts": &accountsPage{},
		"interrupt": &interruptPage{}, "password": &changePage{},
	}
	for name, data := range structs {
		template, err := pages.Template(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := templatecheck.CheckHTML(template.Lookup("layout"), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range pages.Names() {
		if _, ok := structs[name]; !ok && !slices.Contains([]string{"error"}, name) {
			t.Errorf("the template %s is checked against nothing", name)
		}
	}
}

// Every page that can be a dead end has its words in every language.
func TestEveryDeadEndHasItsWords(t *testing.T) {
	for _, lang := range []string{"id", "en"} {
		for _, code := range append(append([]string{"not-managed", "not-enabled", "not-verified", "expired", "cookies", "update-browser"}, codes(reset.Contactable)...), codes(faults)...) {
			for _, part := range []string{"title", "text"} {
				if key := "reset.problem." + code + "." + part; !printer(lang).Has(key) {
					t.Errorf("%s lacks %s", lang, key)
				}
			}
		}
	}
}

func printer(lang string) *i18n.Printer { return i18n.For(lang) }

func codes(list []problem.Code) []string {
	names := make([]string, len(list))
	for i, code := range list {
		names[i] = string(code)
	}
	return names
}
