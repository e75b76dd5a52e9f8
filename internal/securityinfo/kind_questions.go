package securityinfo

import (
	"context"
	"strconv"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// securityQuestions is a set of questions with their answers. Nothing has to be
// proved: the person just made them up. A new set takes the place of the old one.
var securityQuestions = registrar{
	issued: true,
	draft: func(ctx context.Context, s *Service, f facts, form Form) (Draft, error) {
		answered, err := f.answered(form)
		if err != nil {
			return Draft{}, err
		}
		secret, err := s.d.Methods.NewQuestionSet(ctx, answered)
		return Draft{Method: method.Method{Secret: secret}}, err
	},
	// A form says which set it replaces, so that a second press of the button does
	// not store and tell the same a second time.
	admit: func(f facts, form Form) error {
		if set, ok := form["set"]; ok && set != f.current(method.SecurityQuestions).ID {
			return problem.New(problem.Conflict)
		}
		return nil
	},
}

// answered reads question_1 and answer_1 and so on, as many as the policy asks
// for, and refuses what guessing opens.
func (f facts) answered(form Form) ([]method.Answered, error) {
	offered := method.Questions(f.org.Policy.Questions.Custom)
	var all []method.Answered
	for i := range f.org.Policy.Questions.ToRegister {
		n := strconv.Itoa(i + 1)
		id := form["question_"+n]
		if id == "" {
			return nil, problem.New(problem.Required).On("question_" + n)
		}
		known := false
		for _, q := range offered {
			if q.ID == id {
				all, known = append(all, method.Answered{Question: q, Answer: form["answer_"+n]}), true
			}
		}
		if !known {
			return nil, problem.New(problem.BadInput).On("question_" + n)
		}
	}
	e := f.account.Entry
	about := append([]string{e.UserID, e.DisplayName, e.GivenName, e.FamilyName, f.org.Name, f.org.Slug}, f.org.Domains...)
	return all, method.CheckAnswers(all, about)
}
