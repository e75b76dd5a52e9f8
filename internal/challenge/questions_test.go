package challenge_test

import (
	"fmt"
	"testing"
	"time"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// questions registers five questions and gives what answers them.
func (w *world) questions() (m method.Method, right map[string]string) {
	w.t.Helper()
	right = make(map[string]string)
	var all []method.Answered
	for i, q := range method.Questions(nil)[:5] {
		right[q.ID] = fmt.Sprintf("jawaban %d", i)
		all = append(all, method.Answered{Question: q, Answer: right[q.ID]})
	}
	secret, err := w.methods.NewQuestionSet(w.t.Context(), all)
	if err != nil {
		w.t.Fatal(err)
	}
	w.write(func(tx *store.Tx) (err error) {
		m, err = w.methods.Add(w.t.Context(), tx, method.Method{OrgID: w.org.ID, AccountID: w.account.ID,
			Kind: method.SecurityQuestions, Secret: secret, Proved: true, ProvedBy: method.ByPerson})
		return err
	})
	return m, right
}

// asked gives the right answers to what a challenge asks, in order.
func (w *world) asked(c challenge.Challenge, id string, right map[string]string) (answers []string) {
	w.t.Helper()
	w.write(func(tx *store.Tx) error {
		m, err := w.methods.Get(w.t.Context(), tx, w.org.ID, w.account.ID, id)
		if err != nil {
			return err
		}
		questions, err := m.Asked(c.Asks())
		for _, q := range questions {
			answers = append(answers, right[q.ID])
		}
		return err
	})
	return answers
}

// The policy says how many are asked, and five tries are five, whatever is
// answered and however often the questions are asked for anew.
func TestQuestionsAreJudgedTogether(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, right := w.questions()
		c := w.begin(m, challenge.Reset, "flow-0")
		answers := w.asked(c, m.ID, right)
		if c.Asks() != w.org.Policy.Questions.ToReset || len(answers) != 3 {
			t.Fatalf("%d are asked", len(answers))
		}
		if _, err := w.s.Prepare(t.Context(), m, challenge.Answers([]string{answers[0], " ", answers[2]})); !problem.Has(err, problem.Required) {
			t.Errorf("an empty answer: %v", err)
		}
		for i, wrong := range [][]string{
			{answers[0], answers[1], "salah"}, {answers[1], answers[0], answers[2]}, {answers[0]}, {answers[0] + "\x00" + answers[1], answers[2], "x"}, {"a", "b", "c"},
		} {
			c := w.begin(m, challenge.Reset, fmt.Sprintf("flow-%d", i))
			if again := w.asked(c, m.ID, right); fmt.Sprint(again) != fmt.Sprint(answers) {
				t.Fatalf("flow %d is asked something else", i)
			}
			r := w.answer(db, c, m, challenge.Answers(wrong))
			if r.Outcome != challenge.OutcomeWrong || r.Code != problem.AnswersWrong || r.Left != 4-i {
				t.Errorf("try %d: %+v", i, r)
			}
		}
		c = w.begin(m, challenge.Reset, "flow-9")
		if r := w.answer(db, c, m, challenge.Answers(answers)); r.Outcome != challenge.OutcomeBlocked {
			t.Errorf("the sixth try: %+v", r)
		}
		clock.Advance(25 * time.Hour)
		c = w.begin(m, challenge.Reset, "flow-10")
		if r := w.answer(db, c, m, challenge.Answers(answers)); r.Outcome != challenge.OutcomePassed {
			t.Errorf("the next day: %+v", r)
		}
	})
}

// What somebody knows proves a reset's second gate and nothing else.
func TestQuestionsProveNoSignIn(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		m, _ := w.questions()
		for _, p := range []challenge.Purpose{challenge.SignIn, challenge.StepUp} {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				_, err := w.s.Begin(t.Context(), tx, by, w.start(m, p, "session"))
				return err
			})
			if !problem.Has(err, problem.MethodNotAllowed) {
				t.Errorf("%s: %v", p, err)
			}
		}
	})
}
