package method

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/problem"
)

// The shortest and longest answer, in characters after NormalizeAnswer.
const (
	MinAnswer = 3
	MaxAnswer = 40
)

// longestTyped bounds what is looked at of an answer, in bytes.
const longestTyped = 1024

// NormalizeAnswer is the form in which answers are compared: compatibility
// characters composed, case folded, invisible ones gone, spaces at the ends
// gone and others one. People write an answer once in capitals and once not.
func NormalizeAnswer(s string) string {
	if len(s) > longestTyped {
		s = strings.ToValidUTF8(s[:longestTyped], "")
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.Is(unicode.Cf, r), unicode.IsControl(r) && !unicode.IsSpace(r):
			return -1
		}
		return r
	}, s)
	// Folding can undo composition, and composition can make capitals: three
	// rounds are where every text comes to rest.
	for range 3 {
		s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
	}
	return strings.Join(strings.Fields(s), " ")
}

// trivial are answers that say nothing, in our languages, without spaces.
var trivial = []string{
	"123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "321", "4321", "54321", "654321",
	"abc", "abcd", "abcde", "abc123", "qwe", "qwerty", "qwertyuiop", "asd", "asdf", "asdfgh", "zxc", "zxcv", "zxcvbn", "qaz", "1q2w3e",
	"password", "passwd", "secret", "answer", "jawaban", "rahasia", "katasandi", "sandi", "test", "tes", "testing", "admin", "user",
	"none", "nothing", "n/a", "null", "nil", "unknown", "idontknow", "dontknow", "yes", "no!", "tidak", "tidakada", "tidaktahu", "gatau", "gakada",
	"kosong", "lupa", "yaa", "apa", "dunno", "blank", "empty", "default", "welcome", "hello", "halo", "love", "indonesia", "jakarta", "bandung", "surabaya",
	"blue", "red", "biru", "merah", "hitam", "putih", "pizza", "nasigoreng", "ayam", "bakso", "mom", "dad", "ibu", "ayah", "mama", "papa", "bapak",
}

// CheckAnswers refuses a set that guessing opens. about is what a stranger knows
// of the person: user ID, names, the organization's name. Each refusal is a
// problem on its field: QuestionTwice on question_N; Required, AnswerLength,
// AnswerTwice, AnswerWeak, AnswerNamed and AnswerRepeats on answer_N.
func CheckAnswers(all []Answered, about []string) error {
	var questions, answers []string
	for i, a := range all {
		field := strconv.Itoa(i + 1)
		if slices.Contains(questions, a.ID) {
			return problem.New(problem.QuestionTwice).On("question_" + field)
		}
		answer := NormalizeAnswer(a.Answer)
		if code := weak(a.Question, answer, about); code != "" {
			return problem.New(code, "min", MinAnswer, "max", MaxAnswer).On("answer_" + field)
		}
		if slices.Contains(answers, tight(answer)) {
			return problem.New(problem.AnswerTwice).On("answer_" + field)
		}
		questions, answers = append(questions, a.ID), append(answers, tight(answer))
	}
	return nil
}

func weak(q Question, answer string, about []string) problem.Code {
	n := utf8.RuneCountInString(answer)
	switch {
	case answer == "":
		return problem.Required
	case n < MinAnswer || n > MaxAnswer:
		return problem.AnswerLength
	case slices.Contains(trivial, tight(answer)) || monotone(tight(answer)):
		return problem.AnswerWeak
	case named(answer, about):
		return problem.AnswerNamed
	case repeats(q, answer):
		return problem.AnswerRepeats
	}
	return ""
}

// tight is an answer without spaces and marks: "n. a." is "na".
func tight(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || unicode.IsPunct(r) && r != '/' && r != '!' {
			return -1
		}
		return r
	}, s)
}

// monotone tells whether a text is one or two characters over and over, or marks alone.
func monotone(s string) bool {
	kinds := make(map[rune]bool)
	for _, r := range s {
		kinds[r] = true
	}
	return len(kinds) <= 2 && utf8.RuneCountInString(s) > len(kinds) || len(kinds) < 2
}

// named tells whether an answer holds a user ID or a name, or is a part of one.
func named(answer string, about []string) bool {
	for _, known := range about {
		known = NormalizeAnswer(known)
		local, _, _ := strings.Cut(known, "@")
		words := append(strings.FieldsFunc(known, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), known, local, tight(known))
		for _, word := range words {
			if utf8.RuneCountInString(word) >= MinAnswer && strings.Contains(answer, word) {
				return true
			}
		}
	}
	return false
}

// repeats tells whether an answer is made of the words of its question, in any language.
func repeats(q Question, answer string) bool {
	words := strings.FieldsFunc(answer, notWord)
	for _, lang := range append(i18n.Languages(), "") {
		if lang == "" && q.Texts == nil {
			continue
		}
		asked := strings.FieldsFunc(NormalizeAnswer(q.Text(lang)), notWord)
		if !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(asked, w) }) {
			return true
		}
	}
	return false
}

func notWord(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }
