package portal

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/web/page"
)

// signinStories are the states of the pages of signing in.
func signinStories(base func(name, title string) page.Base) []story {
	rules := []ruleLine{{"too_short", "12", 12}}
	verify := func(title string, change func(*signinVerifyPage)) func() page.Page {
		return func() page.Page {
			p := &signinVerifyPage{Base: base("signin-verify", title), Next: "/security-info/add", Digits: 6, Minutes: 10}
			change(p)
			return p
		}
	}
	all := []story{
		{"signin", "signin", "/signin", func() page.Page {
			return &signinPage{Base: base("signin", "signin.title"), Typed: "alain", Next: "/security-info", Picker: true}
		}},
		{"signin password", "signin_password", "/signin/password", func() page.Page {
			return &signinPasswordPage{Base: base("signin-password", "signin.password.title"), Forgot: true}
		}},
		{"signin password wrong", "signin_password", "/signin/password", func() page.Page {
			b := base("signin-password", "signin.password.title")
			b.Refuse(problem.New(problem.SignInWrong).On("password"), "id")
			return &signinPasswordPage{Base: b, Forgot: true, Wrong: true}
		}},
		{"signin password wrong, nobody resets", "signin_password", "/signin/password", func() page.Page {
			b := base("signin-password", "signin.password.title")
			b.Refuse(problem.New(problem.SignInWrong).On("password"), "id")
			return &signinPasswordPage{Base: b, Wrong: true}
		}},
		{"signin password beside a provider", "signin_password", "/signin/password", func() page.Page {
			return &signinPasswordPage{Base: base("signin-password", "signin.password.title"), Forgot: true, Provider: "Contoso ID"}
		}},
		{"signin as somebody else at the provider", "signin_password", "/signin/password", func() page.Page {
			b := base("signin-password", "signin.password.title")
			b.Refuse(problem.New(problem.ProviderOther, "name", "Contoso ID"), "id")
			return &signinPasswordPage{Base: b, Forgot: true, Provider: "Contoso ID", Again: true}
		}},
		{"signin at the provider", "signin_provider", "/signin/provider", func() page.Page {
			return &signinProviderPage{Base: base("signin-provider", "signin.provider.title"), Provider: "Contoso ID", Address: "https://login.contoso.example/authorize"}
		}},
		{"signed out, and at the provider if one likes", "signout_provider", "/signout/provider", func() page.Page {
			return &signoutProviderPage{Base: base("signout-provider", "signout.provider.title"), Provider: "Contoso ID", Address: "https://login.contoso.example/end?state=x"}
		}},
		{"signed out here alone", "signout_provider", "/signout/provider", func() page.Page {
			return &signoutProviderPage{Base: base("signout-provider", "signout.provider.title"), Provider: "Contoso ID"}
		}},
		{"signed out here alone, the provider gone", "signout_provider", "/signout/provider", func() page.Page {
			return &signoutProviderPage{Base: base("signout-provider", "signout.provider.title")}
		}},
		{"signed out at the provider", "signout_provider", "/signout/provider/contoso", func() page.Page {
			return &signoutProviderPage{Base: base("signout-provider", "signout.provider.title"), Provider: "Contoso ID", Out: true}
		}},
		{"signin again, at the provider", "signin_verify", "/signin/verify", verify("signin.verify.title", func(p *signinVerifyPage) { p.StepUp, p.OnlyProvider, p.Provider = true, true, "Contoso ID" })},
		{"signin pass", "signin_pass", "/signin/pass", func() page.Page {
			return &signinPassPage{base("signin-pass", "signin.pass.title")}
		}},
		{"signin again, by pass", "signin_verify", "/signin/verify", verify("signin.verify.password.title", func(p *signinVerifyPage) { p.StepUp, p.ByPassword, p.OnPass = true, true, true })},
		{"signin stuck, by pass", "signin_verify", "/signin/verify", verify("signin.verify.pass.title", func(p *signinVerifyPage) { p.StepUp, p.OnPass = true, true })},
		{"signin again", "signin_verify", "/signin/verify", verify("signin.verify.password.title", func(p *signinVerifyPage) { p.StepUp, p.ByPassword = true, true })},
		{"signin stuck", "signin_verify", "/signin/verify", verify("signin.verify.stuck.title", func(*signinVerifyPage) {})},
		{"signin unsent", "signin_verify", "/signin/verify", verify("signin.verify.stuck.title", func(p *signinVerifyPage) { p.Unsent = true })},
		{"signin choose", "signin_verify", "/signin/verify?other", verify("reset.choose.title", func(p *signinVerifyPage) {
			p.Choose = true
			p.Choices = []factorLine{{"1", method.AuthenticatorCode, "Phone", ""}, {"2", method.RecoveryCode, "", ""}}
		})},
		{"accounts", "accounts", "/accounts", func() page.Page {
			return &accountsPage{Base: base("accounts", "accounts.title"), Accounts: []session.Account{
				{ID: "1", UserID: "alain@contoso.com", SessionID: "s"}, {ID: "2", UserID: "citra@contoso.com"},
			}}
		}},
		{"interrupt", "interrupt", "/interrupt", func() page.Page {
			return &interruptPage{Base: base("interrupt", "interrupt.register.title"), Org: "Contoso", Next: "/password",
				Interrupt: signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 2, Until: time.Unix(0, 0)}}
		}},
		{"interrupt from outside", "interrupt", "/interrupt", func() page.Page {
			return &interruptPage{Base: base("interrupt", "interrupt.register.title"), Org: "Contoso",
				Interrupt: signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, Outside: true}}
		}},
		{"interrupt at its end", "interrupt", "/interrupt", func() page.Page {
			return &interruptPage{Base: base("interrupt", "interrupt.register.title"), Org: "Contoso", Interrupt: signin.Interrupt{Ask: signin.AskRegister}}
		}},
		{"confirm", "interrupt", "/interrupt", func() page.Page {
			return &interruptPage{Base: base("interrupt", "interrupt.confirm.title"), Org: "Contoso", Interrupt: signin.Interrupt{Ask: signin.AskConfirm},
				Methods: []interruptLine{{factorLine{"1", method.Email, "", "a…@e…"}, false}, {factorLine{"2", method.AuthenticatorCode, "Phone", ""}, false}}}
		}},
		{"confirm given", "interrupt", "/interrupt", func() page.Page {
			return &interruptPage{Base: base("interrupt", "interrupt.confirm.title"), Org: "Contoso", Interrupt: signin.Interrupt{Ask: signin.AskConfirm}, Given: 1,
				Methods: []interruptLine{{factorLine{"1", method.Email, "", "a…@e…"}, true}, {factorLine{"2", method.AuthenticatorCode, "Phone", ""}, false}}}
		}},
		{"change", "password", "/password", func() page.Page {
			return &changePage{Base: base("password", "change.title"), Rules: rules, Must: true, Org: "Contoso"}
		}},
		{"change on a pass", "password", "/password", func() page.Page {
			return &changePage{Base: base("password", "change.title"), Rules: rules, OnPass: true, Org: "Contoso"}
		}},
		{"change of none", "password", "/password", func() page.Page {
			return &changePage{Base: base("password", "change.first"), None: true, OnPass: true, Org: "Contoso"}
		}},
		{"changed", "password", "/password?changed", func() page.Page {
			return &changePage{Base: base("password", "change.done.title"), Changed: true, Next: "/security-info"}
		}},
		{"change elsewhere", "password", "/password", func() page.Page {
			return &changePage{Base: base("password", "change.title"), Elsewhere: true, Org: "Contoso"}
		}},
		{"change elsewhere first", "password", "/password", func() page.Page {
			return &changePage{Base: base("password", "change.elsewhere.title"), Elsewhere: true, Must: true, Org: "Contoso"}
		}},
	}
	for _, kind := range method.Kinds() {
		if !kind.Built() || !kind.ProvesSignIn() {
			continue
		}
		for _, sent := range []bool{false, true} {
			all = append(all, story{"signin verify " + string(kind), "signin_verify", "/signin/verify", verify("reset.verify.title."+string(kind), func(p *signinVerifyPage) {
				p.Chosen = factorLine{"1", kind, "Phone", "+•• 90"}
				p.Choices = []factorLine{p.Chosen}
				p.Several, p.StepUp, p.Sends, p.Sent, p.Numeric = true, sent, challenge.Sends(kind), sent, numeric(kind)
			})})
		}
	}
	return all
}

// Only our own pages of signed-in people are places to go on at (CWE-601).
func TestNextLeadsNowhereElse(t *testing.T) {
	for next, want := range map[string]string{
		"/security-info": "/security-info", "/security-info/add": "/security-info/add", "/password": "/password", "/interrupt": "/security-info",
		"": "/security-info", "https://evil.example/": "/security-info", "//evil.example": "/security-info", "/security-info/../console": "/security-info",
		"/security-info//evil.example": "/security-info", "/security-info/\\evil.example": "/security-info", "/security-info/x?y": "/security-info", "/security-info/add?kind=email": "/security-info/add?kind=email",
		"/security-info/add?kind=nothing": "/security-info", "/security-info/add?kind=email&x=y": "/security-info",
		"/security-info/%2e%2e": "/security-info", "/security-infos": "/security-info", "/console": "/console", "/console/people": "/console/people", "/consoles": "/security-info", "/reset": "/security-info",
		"javascript:alert(1)": "/security-info", "/password/\r\nSet-Cookie: a": "/security-info", "/security-info#x": "/security-info",
	} {
		if got := onward(signin.StepIn, next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
	for step, want := range map[signin.Step]string{
		signin.StepVerify: "/signin/verify?next=%2Fsecurity-info%2Fadd", signin.StepPassword: "/password",
		signin.StepInterrupt: "/interrupt?next=%2Fsecurity-info%2Fadd", signin.StepIn: "/security-info/add",
	} {
		if got := onward(step, "/security-info/add"); got != want {
			t.Errorf("%s leads to %q, want %q", step, got, want)
		}
	}
}

// Somebody who is sent to sign in comes back to a page that GET shows.
func TestAfterSigningInAPageIsShown(t *testing.T) {
	for request, want := range map[string]string{
		"GET /security-info": "/signin?next=%2Fsecurity-info", "GET /security-info/add": "/signin?next=%2Fsecurity-info%2Fadd",
		"POST /security-info/add": "/signin?next=%2Fsecurity-info%2Fadd", "POST /security-info/m1/delete": "/signin?next=%2Fsecurity-info%2Fm1%2Fdelete", "POST /security-info/codes": "/signin?next=%2Fsecurity-info",
		"GET /security-info/add?kind=email": "/signin?next=%2Fsecurity-info%2Fadd%3Fkind%3Demail", "GET /security-info/add?kind=x": "/signin?next=%2Fsecurity-info%2Fadd",
		"GET /security-info/add?kind=email&replaces=m1": "/signin?next=%2Fsecurity-info%2Fm1%2Fchange",
		"POST /password": "/signin?next=%2Fpassword", "GET /elsewhere": "/signin",
	} {
		var verb, path string
		for i := range request {
			if request[i] == ' ' {
				verb, path = request[:i], request[i+1:]
			}
		}
		if got := after("/signin", httptest.NewRequest(verb, path, nil)); got != want {
			t.Errorf("%s: %q, want %q", request, got, want)
		}
	}
}

// What is underneath is refused on the same page, with its status and when to
// come back; a fault of ours is not dressed up as a refusal.
func TestARefusedStepStaysOnItsPage(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	pages, err := page.NewRenderer(log, folder)
	if err != nil {
		t.Fatal(err)
	}
	p := &Portal{Deps{Pages: pages, Log: log}}
	r := httptest.NewRequest("POST", "/signin/password", nil)
	r = r.WithContext(page.WithRequest(r.Context(), "en", "", ""))
	for code, want := range map[problem.Code]struct {
		status int
		retry  string
	}{
		problem.Busy: {503, "2"}, problem.DirectoryUnavailable: {503, "2"}, problem.SignInLocked: {429, "2"}, problem.Blocked: {429, "2"},
		problem.SignInWrong: {422, "2"}, problem.Disabled: {422, "2"}, problem.BadInput: {422, "2"},
	} {
		w := httptest.NewRecorder()
		shown := &signinPasswordPage{Base: page.Base{Name: "signin-password", Title: "signin.password.title"}}
		cause := problem.New(code).After(1500 * time.Millisecond).Because(errors.New("LDAP 49 at ldap.internal"))
		if err := p.refuseStep(w, r, "signin_password", shown, &shown.Base, cause); err != nil {
			t.Fatal(err)
		}
		if w.Code != want.status || w.Header().Get("Retry-After") != want.retry || !strings.Contains(w.Body.String(), `data-error="`+string(code)+`"`) {
			t.Errorf("%s: %d, Retry-After %q", code, w.Code, w.Header().Get("Retry-After"))
		}
		if strings.Contains(w.Body.String(), "ldap.internal") {
			t.Errorf("%s: the cause is on the page", code)
		}
	}
	fault := errors.New("a fault")
	shown := &signinPasswordPage{}
	if err := p.refuseStep(httptest.NewRecorder(), r, "signin_password", shown, &shown.Base, fault); !errors.Is(err, fault) {
		t.Errorf("a fault of ours: %v", err)
	}
}
