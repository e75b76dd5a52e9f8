package kuncitest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
)

// withQuestions is Contoso where questions are on, as a second gate.
var withQuestions = kuncitest.Options{
	Organization: strings.Replace(kuncitest.Contoso, "  reset: {exclude_groups: [contractors]}\n", `  reset: {gates: 2, methods: [authenticator_code, recovery_code, email, security_questions]}
  questions: {to_register: 4, to_reset: 3, custom: [{id: "Meja mana yang pertama Anda tempati?", en: "Which desk was your first?"}]}
`, 1),
	Accounts: kuncitest.People,
}

// answers are what somebody answers, by question.
var answers = map[string]string{
	"q03": "Balonku Ada Lima", "q10": "Di bawah kolong dipan", "q23": "Jatuh dari sepeda", "own": "Dekat jendela utara",
}

// setOf is the form of a set of questions, without changes.
func setOf(change func(fields map[string]string)) []string {
	fields := map[string]string{
		"kind": "security_questions", "question_1": "q03", "answer_1": answers["q03"], "question_2": "q10", "answer_2": answers["q10"],
		"question_3": "q23", "answer_3": answers["q23"], "question_4": ownQuestion, "answer_4": answers["own"],
	}
	if change != nil {
		change(fields)
	}
	var list []string
	for name, value := range fields {
		list = append(list, name, value)
	}
	return list
}

// ownQuestion is the id of Contoso's own question.
var ownQuestion = method.Questions([]config.Texts{
	{"id": "Meja mana yang pertama Anda tempati?", "en": "Which desk was your first?"},
})[method.PredefinedQuestions].ID

func TestQuestionsAreRegisteredAndAnswered(t *testing.T) {
	each(t, withQuestions, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "alain@contoso.com", "")
		form := me.Get("/security-info/add?kind=security_questions").Want(http.StatusOK, "security-info-add")
		if !strings.Contains(form.Text(), "Meja mana yang pertama Anda tempati?") || strings.Contains(form.Text(), "Which desk") {
			t.Error("the organization's own question is not offered in the person's language")
		}
		if !strings.Contains(form.Text(), i18n.For("id").T("question.q36")) {
			t.Error("the predefined questions are not offered")
		}
		for name, c := range map[string]struct {
			change func(map[string]string)
			code   string
		}{
			"a question twice":   {func(f map[string]string) { f["question_2"] = "q03" }, "question-twice"},
			"an answer twice":    {func(f map[string]string) { f["answer_2"] = " balonku ada  LIMA " }, "answer-twice"},
			"a weak answer":      {func(f map[string]string) { f["answer_3"] = "12345" }, "answer-weak"},
			"the person's name":  {func(f map[string]string) { f["answer_3"] = "Dupont" }, "answer-named"},
			"the user ID":        {func(f map[string]string) { f["answer_3"] = "alain" }, "answer-named"},
			"the question":       {func(f map[string]string) { f["answer_3"] = "bekas luka pertama" }, "answer-repeats"},
			"one letter":         {func(f map[string]string) { f["answer_3"] = "x" }, "answer-length"},
			"no answer":          {func(f map[string]string) { f["answer_3"] = " " }, "required"},
			"no question":        {func(f map[string]string) { f["question_3"] = "" }, "required"},
			"an unknown one":     {func(f map[string]string) { f["question_3"] = "q99" }, "bad-input"},
			"one less than four": {func(f map[string]string) { delete(f, "question_4"); delete(f, "answer_4") }, "required"},
		} {
			page := me.Post("/security-info/add", setOf(c.change)...).Want(http.StatusUnprocessableEntity, "security-info-add")
			if page.Alert() != c.code {
				t.Errorf("%s: %q, want %q", name, page.Alert(), c.code)
			}
			if strings.Contains(page.Body, answers["q10"]) {
				t.Errorf("%s: the page repeats an answer", name)
			}
			if !strings.Contains(page.Body, `value="q03" selected`) {
				t.Errorf("%s: the chosen questions are lost", name)
			}
		}
		list := me.Post("/security-info/add", setOf(nil)...).Want(http.StatusOK, "security-info")
		if id := me.ofKind(method.SecurityQuestions).ID; rows(list)[id] != "security_questions" {
			t.Errorf("the list holds %v", rows(list))
		}
		if notice := p.Mail.Wait(t, 1)[0].Parse(t).Text; !strings.Contains(notice, "Pertanyaan keamanan") {
			t.Errorf("the notice:\n%s", notice)
		}

		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		questions := me.ofKind(method.SecurityQuestions).ID
		if len(choose.Choices("method")) != 1 || !strings.Contains(choose.Text(), i18n.For("id").T("reset.why.second-only")) {
			t.Errorf("first gate: %v\n%s", choose.Choices("method"), choose.Text())
		}
		if page := b.Post("/reset/verify", "method", questions, "action", "send"); page.Alert() != "method-not-allowed" {
			t.Errorf("strangers are shown the questions: %s %q", page.Name(), page.Alert())
		}
		b.Post("/reset/verify", "method", choose.Choices("method")[0], "action", "send").Want(http.StatusOK, "reset-verify")
		second := b.Post("/reset/verify", "code", p.Code(2), "action", "verify").Want(http.StatusOK, "reset-choose")
		if got := second.Choices("method"); len(got) != 1 || got[0] != questions {
			t.Fatalf("second gate: %v", got)
		}
		page := b.Post("/reset/verify", "method", questions, "action", "send").Want(http.StatusOK, "reset-verify")
		labels := labelsOf(page)
		if len(labels) != 3 {
			t.Fatalf("asked %v", labels)
		}
		right := make([]string, 3)
		for i := range right {
			right[i] = answerTo(t, labels[fmt.Sprintf("answer_%d", i+1)])
		}
		send := func(a ...string) *kuncitest.Page {
			fields := []string{"action", "verify"}
			for i, text := range a {
				fields = append(fields, fmt.Sprintf("answer_%d", i+1), text)
			}
			return b.Post("/reset/verify", fields...)
		}
		wrong := send(right[0], "salah sekali", right[2]).Want(http.StatusUnprocessableEntity, "reset-verify")
		if wrong.Alert() != "answers-wrong" || strings.Contains(wrong.Body, right[0]) || strings.Contains(wrong.Body, `aria-invalid`) {
			t.Errorf("alert %q; the page says too much", wrong.Alert())
		}
		if again := labelsOf(wrong); fmt.Sprint(again) != fmt.Sprint(labels) {
			t.Errorf("asked %v, then %v", labels, again)
		}
		if page := send(right[0], right[1]); page.Alert() != "answers-wrong" {
			t.Errorf("one left out: %s %q", page.Name(), page.Alert())
		}
		send(strings.ToUpper(right[0]), "  "+right[1], right[2]).Want(http.StatusOK, "reset-password")
		b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
		if got := password(t, p, "alain@contoso.com", newPassword); got != directory.OK {
			t.Errorf("the new password: %s", got)
		}
		if n := count(p, audit.ResetGateFailed); n != 2 {
			t.Errorf("%d failures, want one for each form", n)
		}
		noSecret(t, p, answers["q03"], answers["q10"], answers["q23"], answers["own"], strings.ToLower(answers["q10"]))
	})
}

// labelsOf gives the questions of a page by their fields.
func labelsOf(page *kuncitest.Page) map[string]string {
	found := make(map[string]string)
	for _, n := range page.Find(func(n *html.Node) bool { return strings.HasPrefix(kuncitest.Attribute(n, "for"), "answer_") }) {
		found[kuncitest.Attribute(n, "for")] = strings.TrimSpace(n.FirstChild.Data)
	}
	return found
}

func answerTo(t *testing.T, question string) string {
	t.Helper()
	for id, answer := range answers {
		if id == "own" && strings.Contains(question, "Meja") || id != "own" && question == i18n.For("id").T("question."+id) {
			return answer
		}
	}
	t.Fatalf("an unknown question %q", question)
	return ""
}

// Where the policy does not name them, and for administrators, there are none.
func TestQuestionsAreOffUnlessNamed(t *testing.T) {
	each(t, withQuestions, func(t *testing.T, p *kuncitest.Product) {
		admin := signedIn(t, p, "adele@contoso.com", "")
		if page := admin.Post("/security-info/add", setOf(nil)...); page.Alert() != "method-kind" {
			t.Errorf("an administrator: %s %q", page.Name(), page.Alert())
		}
		me := signedIn(t, p, "alain@contoso.com", "")
		me.Post("/security-info/add", setOf(nil)...).Want(http.StatusOK, "security-info")
		p.Apply(kuncitest.Contoso)
		if page := me.Post("/security-info/add", setOf(nil)...); page.Alert() != "method-kind" {
			t.Errorf("questions are off: %s %q", page.Name(), page.Alert())
		}
		b := p.Browser()
		b.Get("/reset")
		choose := b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-choose")
		if got := choose.Choices("method"); len(got) != 1 || got[0] == me.ofKind(method.SecurityQuestions).ID {
			t.Errorf("offered %v", got)
		}
	})
}

// A token that was handed to somebody is activated on their page.
func TestATokenIsActivatedByItsPerson(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		me := signedIn(t, p, "citra@contoso.com", "")
		if page := me.Get("/security-info/add"); page.Has("/security-info/add?kind=hardware_token") {
			t.Error("a token is offered to somebody who has none")
		}
		_, counter := handOut(t, p)
		if page := me.Get("/security-info/add"); !page.Has("/security-info/add?kind=hardware_token") {
			t.Error("the token is not offered")
		}
		form := me.Get("/security-info/add?kind=hardware_token").Want(http.StatusOK, "security-info-add")
		if got := form.Choices("token"); len(got) != 1 || got[0] != counter.ID {
			t.Fatalf("tokens %v", got)
		}
		page := me.Post("/security-info/add", "kind", "hardware_token", "token", counter.ID).Want(http.StatusOK, "security-info-add")
		if !strings.Contains(page.Text(), "1002") {
			t.Errorf("the page does not name the token:\n%s", page.Text())
		}
		if bad := me.Post("/security-info/add", "kind", "hardware_token", "code", counter.OATH.Code(counter.Seed, 50)); bad.Alert() != "code-wrong" {
			t.Errorf("far ahead: %q", bad.Alert())
		}
		list := me.Post("/security-info/add", "kind", "hardware_token", "code", counter.OATH.Code(counter.Seed, 51)).Want(http.StatusOK, "security-info")
		m := me.ofKind(method.HardwareToken)
		if rows(list)[m.ID] != "hardware_token" || !strings.Contains(list.Text(), "Contoso HardwareKey 1002") {
			t.Errorf("the list:\n%s", list.Text())
		}
		if page := me.Get("/security-info/add"); page.Has("/security-info/add?kind=hardware_token") {
			t.Error("a token that is active is offered again")
		}
		b := p.Browser()
		choose(t, b, "citra@contoso.com", "forgot", m.ID).Want(http.StatusOK, "reset-verify")
		if page := b.Post("/reset/verify", "code", counter.OATH.Code(counter.Seed, 51), "action", "verify"); page.Alert() != "code-used" {
			t.Errorf("the code of the activation: %q", page.Alert())
		}
		b.Post("/reset/verify", "code", counter.OATH.Code(counter.Seed, 52), "action", "verify").Want(http.StatusOK, "reset-password")
		// A stranger's token is nothing one can activate.
		other := signedIn(t, p, "alain@contoso.com", "")
		if page := other.Post("/security-info/add", "kind", "hardware_token", "token", counter.ID); page.Alert() != "method-kind" {
			t.Errorf("another's token: %s %q", page.Name(), page.Alert())
		}
	})
}
