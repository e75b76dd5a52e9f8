package portal

import (
	"fmt"
	"net/http"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/web/page"
)

// questionsPage asks for questions and answers. Answers are never written back.
type questionsPage struct {
	addForm
	Set      string // id of the set that this one would replace, empty: none
	Offered  []questionLine
	Rows     []questionRow
	Min, Max int
}

type questionRow struct {
	Number           int
	Question, Answer string // fields
	Chosen           string // id of the question
}

func questionsBegin(_ visitor, form page.Form) bool {
	_, answered := form["answer_1"]
	return answered
}

func showQuestions(_ *Portal, r *http.Request, s adding) (string, page.Page, *page.Base, error) {
	policy := s.v.Org.Policy.Questions
	shown := &questionsPage{addForm: s.form("title"), Min: method.MinAnswer, Max: method.MaxAnswer}
	for _, m := range s.v.Methods {
		if m.Kind == method.SecurityQuestions && m.Proved {
			shown.Set = m.ID
		}
	}
	for _, q := range method.Questions(policy.Custom) {
		shown.Offered = append(shown.Offered, questionLine{q.ID, q.Text(page.Lang(r))})
	}
	for i := range policy.ToRegister {
		row := questionRow{Number: i + 1, Question: fmt.Sprintf("question_%d", i+1), Answer: fmt.Sprintf("answer_%d", i+1)}
		row.Chosen = s.typed[row.Question]
		shown.Rows = append(shown.Rows, row)
	}
	return "securityinfo_questions", shown, &shown.Base, nil
}
