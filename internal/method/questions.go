package method

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// PredefinedQuestions is how many questions every organization has: q01 and so
// on. Their wording is "question.<id>" in the catalogues.
const PredefinedQuestions = 36

// Question is a question that a person can answer.
type Question struct {
	ID string `json:"id"`
	// Texts are the wording of an organization's own question. They are kept with
	// the answer, so that it can be asked as it was answered.
	Texts config.Texts `json:"t,omitempty"`
}

// Text is the wording in a language.
func (q Question) Text(lang string) string {
	if q.Texts != nil {
		return q.Texts.In(lang)
	}
	return i18n.For(lang).T("question." + q.ID)
}

// Questions lists the predefined questions and an organization's own.
func Questions(custom []config.Texts) []Question {
	all := make([]Question, 0, PredefinedQuestions+len(custom))
	for i := range PredefinedQuestions {
		all = append(all, Question{ID: fmt.Sprintf("q%02d", i+1)})
	}
	for _, texts := range custom {
		sum := sha256.Sum256([]byte(texts.String()))
		all = append(all, Question{ID: fmt.Sprintf("own-%x", sum[:8]), Texts: texts})
	}
	return all
}

// Answered is a question with its answer, as it was typed.
type Answered struct {
	Question
	Answer string
}

// questionSet is the Secret of a set of questions. Mix decides, with the last
// use, which questions are asked.
type questionSet struct {
	Mix   []byte         `json:"m"`
	Items []questionItem `json:"q"`
}

type questionItem struct {
	Question
	Hash []byte `json:"h"`
}

// NewQuestionSet gives the Secret of a set of answers, each under a slow hash
// with a salt of its own. CheckAnswers comes before. It takes one slow hash for
// each answer; never call it with a transaction open.
func (s *Service) NewQuestionSet(ctx context.Context, all []Answered) ([]byte, error) {
	set := questionSet{Mix: make([]byte, saltBytes)}
	if _, err := rand.Read(set.Mix); err != nil {
		return nil, fmt.Errorf("question set: %w", err)
	}
	answers := make([]string, len(all))
	for i, a := range all {
		answers[i] = NormalizeAnswer(a.Answer)
	}
	hashes, err := s.hashSlowly(ctx, answers...)
	if err != nil {
		return nil, err
	}
	for i, a := range all {
		set.Items = append(set.Items, questionItem{a.Question, hashes[i]})
	}
	return json.Marshal(set)
}

func openQuestions(m Method) (questionSet, error) {
	var set questionSet
	if err := json.Unmarshal(m.Secret, &set); err != nil || len(set.Items) == 0 || len(set.Mix) != saltBytes {
		return questionSet{}, fmt.Errorf("method %s: not a set of questions", m.ID)
	}
	return set, nil
}

// asked gives n of the set's items in the order in which they are asked. The
// choice is random and stays the same, whoever asks and however often, until a
// right answer: nobody can look for easier ones.
func (m Method) asked(n int) ([]questionItem, error) {
	set, err := openQuestions(m)
	if err != nil {
		return nil, err
	}
	rank := make(map[string][]byte, len(set.Items))
	for _, item := range set.Items {
		var used [8]byte
		binary.BigEndian.PutUint64(used[:], uint64(store.Micros(m.LastUsedAt)))
		mac := hmac.New(sha256.New, set.Mix)
		mac.Write(used[:])
		mac.Write([]byte(item.ID))
		rank[item.ID] = mac.Sum(nil)
	}
	slices.SortStableFunc(set.Items, func(a, b questionItem) int {
		return cmp.Or(bytes.Compare(rank[a.ID], rank[b.ID]), cmp.Compare(a.ID, b.ID))
	})
	return set.Items[:min(max(n, 1), len(set.Items))], nil
}

// Asked gives the questions of a set that are asked now, at most n.
func (m Method) Asked(n int) ([]Question, error) {
	items, err := m.asked(n)
	all := make([]Question, len(items))
	for i, item := range items {
		all[i] = item.Question
	}
	return all, err
}

// Answerable is how many questions a set has; 0 for every other kind.
func (m Method) Answerable() int {
	if m.Kind != SecurityQuestions {
		return 0
	}
	set, err := openQuestions(m)
	if err != nil {
		return 0
	}
	return len(set.Items)
}

// HashAnswers is the slow half of judging the answers to the questions asked: it
// needs no transaction and must not be called in one. Problems: CodeFormat (more
// answers than questions, or none), Busy.
func (s *Service) HashAnswers(ctx context.Context, m Method, answers []string) ([][]byte, error) {
	items, err := m.asked(len(answers))
	if err != nil {
		return nil, err
	}
	if len(answers) == 0 || len(answers) != len(items) {
		return nil, problem.New(problem.CodeFormat)
	}
	stored, typed := make([][]byte, len(items)), make([]string, len(items))
	for i, item := range items {
		stored[i], typed[i] = item.Hash, NormalizeAnswer(answers[i])
	}
	return s.hashLike(ctx, stored, typed)
}

// MatchAnswers is the fast half: whether n questions were asked and every answer
// is right. Which one is not, nobody learns.
func (m Method) MatchAnswers(n int, hashes [][]byte) (bool, error) {
	if n < 1 || len(hashes) == 0 {
		return false, errors.New("judge answers: nothing was asked")
	}
	items, err := m.asked(n)
	if err != nil {
		return false, err
	}
	stored := make([][]byte, len(items))
	for i, item := range items {
		stored[i] = item.Hash
	}
	return sameHash(stored, hashes) == 1, nil
}
