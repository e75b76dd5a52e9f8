package challenge

import (
	"context"
	"strings"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// between separates the answers of one form. No keyboard types it, and
// NormalizeAnswer takes it out.
const between = "\x00"

// Answers makes one answer of those to several questions, in the order in which
// they were asked.
func Answers(all []string) string {
	clean := make([]string, len(all))
	for i, a := range all {
		clean[i] = strings.ReplaceAll(a, between, "")
	}
	return strings.Join(clean, between)
}

// Asks is how many questions a challenge asks; meaningless for other kinds.
func (c Challenge) Asks() int { return c.digits }

// length is what a challenge keeps of its policy: how many digits a code has, or
// how many questions are asked.
func length(in Start, k method.Kind) int {
	if k == method.SecurityQuestions {
		return in.Org.Policy.Questions.ToReset
	}
	return in.Org.Policy.Codes.Digits
}

func prepareQuestions(s *Service, ctx context.Context, m method.Method, raw string) (Answer, error) {
	answers := strings.Split(raw, between)
	for _, a := range answers {
		if method.NormalizeAnswer(a) == "" {
			return Answer{}, problem.New(problem.Required)
		}
	}
	hashes, err := s.methods.HashAnswers(ctx, m, answers)
	return Answer{hashes: hashes}, err
}

// judgeQuestions wants every question that the challenge asks to be answered
// right. One failure is one, however many are wrong.
func judgeQuestions(_ *Service, _ context.Context, _ *store.Tx, c Challenge, m method.Method, a Answer) (problem.Code, error) {
	right, err := m.MatchAnswers(c.Asks(), a.hashes)
	if err != nil {
		return "", err
	}
	if !right {
		return problem.AnswersWrong, nil
	}
	return "", nil
}
