package method

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
)

func TestThereAreQuestionsInEveryLanguage(t *testing.T) {
	all := Questions(nil)
	if len(all) < 30 {
		t.Errorf("%d questions", len(all))
	}
	for _, lang := range i18n.Languages() {
		messages, err := i18n.ReadCatalogue(lang)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, q := range all {
			text := q.Text(lang)
			if messages["question."+q.ID].Forms["other"] != text || !strings.HasSuffix(text, "?") || len(text) > 120 {
				t.Errorf("%s %s: %q", lang, q.ID, text)
			}
			if seen[text] {
				t.Errorf("%s %s stands twice", lang, q.ID)
			}
			seen[text] = true
		}
	}
}

func TestOwnQuestions(t *testing.T) {
	own := []config.Texts{{"": "Which desk was your first?"}, {"id": "Meja mana yang pertama?", "en": "Which desk came first?"}}
	all := Questions(own)[PredefinedQuestions:]
	if len(all) != 2 || all[0].ID == all[1].ID {
		t.Fatalf("%+v", all)
	}
	if got := all[0].Text("id"); got != "Which desk was your first?" {
		t.Errorf("for everybody: %q", got)
	}
	if got := all[1].Text("id") + all[1].Text("en"); got != "Meja mana yang pertama?Which desk came first?" {
		t.Errorf("by language: %q", got)
	}
	if again := Questions(own)[PredefinedQuestions]; again.ID != all[0].ID {
		t.Error("the id of a question changes")
	}
}

func set(t *testing.T, s *Service, n int) (Method, map[string]string) {
	t.Helper()
	right := make(map[string]string)
	var all []Answered
	for i, q := range Questions(nil)[:n] {
		all = append(all, Answered{q, fmt.Sprintf("  Jawaban   Ke-%d ", i)})
		right[q.ID] = fmt.Sprintf("jawaban ke-%d", i)
	}
	secret, err := s.NewQuestionSet(t.Context(), all)
	if err != nil {
		t.Fatal(err)
	}
	return Method{ID: "m", Kind: SecurityQuestions, Secret: secret}, right
}

func asked(t *testing.T, m Method, n int) []string {
	t.Helper()
	questions, err := m.Asked(n)
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, len(questions))
	for i, q := range questions {
		ids[i] = q.ID
	}
	return ids
}

// The same questions are asked until they were answered right, then others.
func TestTheChoiceOfQuestionsIsFixedUntilAnswered(t *testing.T) {
	s, err := New(Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	m, _ := set(t, s, 5)
	first := asked(t, m, 3)
	if len(first) != 3 || len(slices.Compact(slices.Sorted(slices.Values(first)))) != 3 {
		t.Fatalf("asked %v", first)
	}
	m.ConsecutiveFailures = 4
	if again := asked(t, m, 3); !slices.Equal(first, again) {
		t.Errorf("asked %v, then %v", first, again)
	}
	seen := map[string]bool{strings.Join(first, " "): true}
	for day := range 20 {
		m.LastUsedAt = time.Unix(int64(day+1)*86400, 0)
		seen[strings.Join(asked(t, m, 3), " ")] = true
	}
	if len(seen) < 5 {
		t.Errorf("after 20 right answers there were %d choices", len(seen))
	}
	if got := asked(t, m, 9); len(got) != 5 {
		t.Errorf("asked %v of five", got)
	}
}

func TestEveryAnswerHasToBeRight(t *testing.T) {
	s, err := New(Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	m, right := set(t, s, 4)
	order := asked(t, m, 3)
	answers := func(change func([]string) []string) []string {
		var all []string
		for _, id := range order {
			all = append(all, right[id])
		}
		return change(all)
	}
	for name, c := range map[string]struct {
		change func([]string) []string
		want   bool
	}{
		"all right":          {func(a []string) []string { return a }, true},
		"in capitals":        {func(a []string) []string { a[1] = strings.ToUpper(a[1]); return a }, true},
		"full width":         {func(a []string) []string { a[0] = strings.ReplaceAll(a[0], "j", "\uff2a"); return a }, true},
		"one wrong":          {func(a []string) []string { a[2] += "x"; return a }, false},
		"all wrong":          {func([]string) []string { return []string{"a", "b", "c"} }, false},
		"another order":      {func(a []string) []string { a[0], a[1] = a[1], a[0]; return a }, false},
		"one answer for all": {func(a []string) []string { a[1], a[2] = a[0], a[0]; return a }, false},
		"one left out":       {func(a []string) []string { return a[:2] }, false},
		"the first only":     {func(a []string) []string { return a[:1] }, false},
	} {
		hashes, err := s.HashAnswers(t.Context(), m, answers(c.change))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := m.MatchAnswers(3, hashes); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for _, n := range []int{0, 5} {
		if _, err := s.HashAnswers(t.Context(), m, make([]string, n)); !problem.Has(err, problem.CodeFormat) {
			t.Errorf("%d answers: %v", n, err)
		}
	}
	if ok, err := m.MatchAnswers(0, nil); ok || err == nil {
		t.Error("nothing was asked, and it is right")
	}
	m.Secret = []byte(`{"m":"","q":[]}`)
	if _, err := m.Asked(3); err == nil {
		t.Error("a damaged set is asked")
	}
}

// Two people with the same answer, or one with two sets, have nothing alike stored.
func TestEachAnswerHasASaltOfItsOwn(t *testing.T) {
	s, err := New(Deps{Keys: secrettest.NewTestKeyset(t)})
	if err != nil {
		t.Fatal(err)
	}
	hashes, err := s.hashSlowly(t.Context(), "sama", "sama")
	if err != nil || string(hashes[0][setHeader:]) == string(hashes[1][setHeader:]) || string(hashes[0][setHeader+saltBytes:]) == string(hashes[1][setHeader+saltBytes:]) {
		t.Errorf("the same answer is stored alike, %v", err)
	}
}

func TestWhatGuessingOpensIsRefused(t *testing.T) {
	about := []string{"alain.charon@contoso.com", "Alain Charon", "Contoso", "contoso.com"}
	q := Questions(nil)
	for answer, want := range map[string]problem.Code{
		"Teluk Bayur":                    "",
		"\u00c9t\u00e9 1998":             "",
		"\u5c71\u7530\u592a\u90ce":       "",
		"":                               problem.Required,
		"   \u200b ":                     problem.Required,
		"ab":                             problem.AnswerLength,
		" a b ":                          "",
		strings.Repeat("ab c", 10):       "",
		strings.Repeat("ab c", 10) + "d": problem.AnswerLength,
		"12345":                          problem.AnswerWeak,
		"1 2 3 4 5":                      problem.AnswerWeak,
		"aaaa":                           problem.AnswerWeak,
		"ababab":                         problem.AnswerWeak,
		"-----":                          problem.AnswerWeak,
		"QWERTY":                         problem.AnswerWeak,
		"Tidak Ada":                      problem.AnswerWeak,
		"n/a":                            problem.AnswerWeak,
		"Rahasia":                        problem.AnswerWeak,
		"Alain":                          problem.AnswerNamed,
		"my name is CHARON":              problem.AnswerNamed,
		"alain.charon":                   problem.AnswerNamed,
		"contoso2024":                    problem.AnswerNamed,
		q[0].Text("en"):                  problem.AnswerLength,
		"boneka pertama":                 problem.AnswerRepeats,
		"Soft Toy":                       problem.AnswerRepeats,
	} {
		err := CheckAnswers([]Answered{{q[0], answer}}, about)
		if (want == "") != (err == nil) || want != "" && !problem.Has(err, want) {
			t.Errorf("%q: %v, want %q", answer, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "Charon") {
			t.Errorf("%q: the refusal says too much: %v", answer, err)
		}
	}
}

func TestQuestionsAndAnswersDiffer(t *testing.T) {
	q := Questions(nil)
	for name, c := range map[string]struct {
		all   []Answered
		want  problem.Code
		field string
	}{
		"different":       {[]Answered{{q[0], "Teluk Bayur"}, {q[1], "Gunung Sumbing"}}, "", ""},
		"one question":    {[]Answered{{q[0], "Teluk Bayur"}, {q[0], "Gunung Sumbing"}}, problem.QuestionTwice, "question_2"},
		"one answer":      {[]Answered{{q[0], "Teluk Bayur"}, {q[1], " teluk  BAYUR"}}, problem.AnswerTwice, "answer_2"},
		"one but a space": {[]Answered{{q[0], "Teluk Bayur"}, {q[1], "TelukBayur"}}, problem.AnswerTwice, "answer_2"},
		"the second weak": {[]Answered{{q[0], "Teluk Bayur"}, {q[1], "1234"}}, problem.AnswerWeak, "answer_2"},
	} {
		err := CheckAnswers(c.all, nil)
		p, _ := problem.As(err)
		if c.want == "" && err != nil || c.want != "" && (p == nil || p.Code != c.want || p.Field != c.field) {
			t.Errorf("%s: %v on %v", name, err, p)
		}
	}
}

func FuzzNormalizeAnswer(f *testing.F) {
	for _, s := range []string{" A  b ", "\u00df\u1e9e", "\uff21\u0301", "\u0130", "\u03c2\u03a3", "\ufdfa", "\u0345\u0313", "\xff\x00a", "\u1e9b\u0323"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := NormalizeAnswer(s)
		if len(once) > longestTyped {
			return // a text that grew is looked at again only in part
		}
		if twice := NormalizeAnswer(once); twice != once {
			t.Fatalf("%q: %q, then %q", s, once, twice)
		}
		if strings.Contains(once, "  ") || strings.TrimSpace(once) != once || strings.ContainsAny(once, "\x00\n\t") {
			t.Fatalf("%q gave %q", s, once)
		}
	})
}
