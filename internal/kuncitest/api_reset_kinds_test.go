package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// apiAsked is what the answers say of the kinds that are not typed codes.
type apiAsked struct {
	apiStanding
	Passkey   json.RawMessage
	Questions []string
}

// asked chooses a method of a kind and gives what its person is asked for.
func (f *apiFlow) asked(t *testing.T, kind method.Kind) (s apiAsked) {
	t.Helper()
	id := ""
	for _, c := range f.look(t).Choices {
		if c.Kind == string(kind) && c.Usable {
			id = c.ID
		}
	}
	got := f.do(http.MethodPost, "choose", fmt.Sprintf(`{"method":%q}`, id))
	if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.status != http.StatusOK || s.Step != "verify" {
		t.Fatalf("choosing %s: %d %s, %v", kind, got.status, got.body, err)
	}
	return s
}

// finish sets the password of a flow that may, and sees it in the directory.
func (f *apiFlow) finish(t *testing.T, p *kuncitest.Product, userID string) {
	t.Helper()
	if s := apiRead(t, f.do(http.MethodPost, "password", fmt.Sprintf(`{"new_password":%q}`, newPassword))); s.Step != "done" || password(t, p, userID, newPassword) != directory.OK {
		t.Errorf("the password: %+v", s)
	}
}

func TestAPasskeyResetsOverTheAPI(t *testing.T) {
	each(t, kuncitest.Options{Localhost: true}, func(t *testing.T, p *kuncitest.Product) {
		device := p.Device()
		p.GivePasskey("alain@contoso.com", device)
		_, f := apiStart(newProgram(t, p, "contoso", admin.FrontEnd), "contoso", "alain@contoso.com")
		s := f.asked(t, method.Passkey)
		if len(s.Passkey) == 0 {
			t.Fatal("there are no options for the browser")
		}
		send := func(assertion string) answer {
			code, err := json.Marshal(assertion)
			if err != nil {
				t.Fatal(err)
			}
			return f.do(http.MethodPost, "verify", `{"code":`+string(code)+`}`)
		}
		if got := send(device.At("https://login-contoso.example").Use(string(s.Passkey))); got.status != http.StatusUnprocessableEntity || got.code() != "code-wrong" {
			t.Errorf("made at another origin: %d %s", got.status, got.body)
		}
		s = f.asked(t, method.Passkey)
		if s := apiRead(t, send(device.Use(string(s.Passkey)))); s.Step != "password" {
			t.Fatalf("the right one: %+v", s)
		}
		f.finish(t, p, "alain@contoso.com")
	})
}

func TestADeviceApprovesOverTheAPI(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		addDevice(t, me.Browser, "Ponsel Citra")
		_, f := apiStart(newProgram(t, p, "contoso", admin.FrontEnd), "contoso", "citra@contoso.com")
		s := f.asked(t, method.AuthenticatorPush)
		if len(s.Number) != 2 {
			t.Fatalf("no number to show: %+v", s)
		}
		if got := f.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":%q}`, s.Number)); got.status == http.StatusOK && apiRead(t, got).Step == "password" {
			t.Fatal("the front end approves itself")
		}
		if again := f.look(t); again.Step != "verify" || again.Number != s.Number {
			t.Errorf("while it waits: %+v", again)
		}
		request := requestOn(t, me.Get("/push"))
		me.Post("/push", "request", request, "action", "approve", "code", s.Number).Want(http.StatusOK, "push-approve")
		if approved := f.look(t); approved.Step != "password" {
			t.Fatalf("after the approval: %+v", approved)
		}
		f.finish(t, p, "citra@contoso.com")
	})
}

func TestQuestionsAreAnsweredOverTheAPI(t *testing.T) {
	each(t, withQuestions, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		me.Post("/security-info/add", setOf(nil)...).Want(http.StatusOK, "security-info")
		got := newProgram(t, p, "contoso", admin.FrontEnd).do(http.MethodPost, api+"/resets", `{"user_id":"alain@contoso.com","language":"id"}`, "Kunci-Client-Address", apiPerson)
		s := apiRead(t, got)
		f := &apiFlow{newProgram(t, p, "contoso", admin.FrontEnd), s.ID, s.Token, api + "/resets"}
		mailed := len(p.Mail.Wait(t, 1))
		for _, c := range f.look(t).Choices {
			if c.Kind == string(method.SecurityQuestions) && c.Usable {
				t.Error("strangers are shown the questions")
			}
		}
		f.asked(t, method.Email)
		if s := apiRead(t, f.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":%q}`, p.Code(mailed+1)))); s.Step != "choose" {
			t.Fatalf("after the first proof: %+v", s)
		}
		asked := f.asked(t, method.SecurityQuestions).Questions
		if len(asked) != 3 {
			t.Fatalf("asked %v", asked)
		}
		send := func(all []string) answer {
			body, err := json.Marshal(map[string][]string{"answers": all})
			if err != nil {
				t.Fatal(err)
			}
			return f.do(http.MethodPost, "verify", string(body))
		}
		right := make([]string, len(asked))
		for i, q := range asked {
			right[i] = answerTo(t, q)
		}
		for _, wrong := range [][]string{{right[0], "salah sekali", right[2]}, {right[0], right[1]}} {
			if got := send(wrong); got.status != http.StatusUnprocessableEntity || got.code() != "answers-wrong" {
				t.Errorf("wrong answers: %d %s", got.status, got.body)
			}
		}
		if s := apiRead(t, send(right)); s.Step != "password" {
			t.Fatalf("the right answers: %+v", s)
		}
		f.finish(t, p, "alain@contoso.com")
		noSecret(t, p, right...)
	})
}

// What a person gives up is worth nothing any more, and is counted as given up.
func TestAResetIsCancelledOverTheAPI(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		c := newProgram(t, p, "contoso", admin.FrontEnd)
		_, f := apiStart(c, "contoso", "alain@contoso.com")
		f.toCode(t)
		if s := apiRead(t, f.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":%q}`, p.Code(1)))); s.Step != "password" {
			t.Fatalf("the code: %+v", s)
		}
		_, other := apiStart(c, "contoso", "alain@contoso.com")
		for range 2 { // repeating it changes nothing
			if s := apiRead(t, f.do(http.MethodPost, "cancel", "")); s.Step != "problem" || s.Problem != "expired" {
				t.Errorf("cancelled: %+v", s)
			}
		}
		if s := apiRead(t, f.do(http.MethodPost, "password", fmt.Sprintf(`{"new_password":%q}`, newPassword))); s.Step != "problem" || password(t, p, "alain@contoso.com", kuncitest.OldPassword) != directory.OK {
			t.Errorf("a password after it: %+v", s)
		}
		if s := other.look(t); s.Step != "choose" {
			t.Errorf("another flow of the same person: %+v", s)
		}
		n := 0
		for _, e := range p.Events() {
			if e.Kind == audit.ResetAbandoned && e.Reason == "cancelled" && e.Outcome == audit.Denied && e.MethodKind == string(method.Email) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d events", n)
		}
		stranger := *other
		stranger.token = f.token
		if got := stranger.do(http.MethodPost, "cancel", ""); got.status != http.StatusNotFound {
			t.Errorf("with another flow's token: %d %s", got.status, got.body)
		}
		// Somebody who does not exist is answered the same.
		_, nobody := apiStart(c, "contoso", "nobody@contoso.com")
		_, citra := apiStart(c, "contoso", "citra@contoso.com")
		if a, b := apiKnown(t, nobody.do(http.MethodPost, "cancel", "")), apiKnown(t, citra.do(http.MethodPost, "cancel", "")); a != b {
			t.Errorf("nobody: %s, somebody unregistered: %s", a, b)
		}
		// One that is done stays done.
		other.toCode(t)
		apiRead(t, other.do(http.MethodPost, "verify", fmt.Sprintf(`{"code":%q}`, p.Code(2))))
		other.finish(t, p, "alain@contoso.com")
		if s := apiRead(t, other.do(http.MethodPost, "cancel", "")); s.Step != "done" {
			t.Errorf("a finished one: %+v", s)
		}
	})
}
