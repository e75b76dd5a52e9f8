package challenge

import (
	"context"
	"crypto/subtle"

	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Answer is what a person typed, made ready to be judged. Only Prepare makes one.
type Answer struct {
	kind   method.Kind
	method string
	digits string
	hash   []byte
	hashes [][]byte

	device  bool // it came from the browser that is the device
	passkey *signed
	among   []string // see Among; nil: any of the account's
}

// String keeps an answer out of logs.
func (Answer) String() string { return "[hidden]" }

// GoString keeps an answer out of logs.
func (Answer) GoString() string { return "[hidden]" }

// verifier is how one kind is proved.
type verifier struct {
	// sends tells that a code has to be sent first.
	sends bool
	// prepare does what is slow or can be refused for its form; no transaction is open.
	prepare func(s *Service, ctx context.Context, m method.Method, raw string) (Answer, error)
	// judge compares, and uses up what can be used once. It gives "" for a right
	// answer, else CodeWrong, CodeUsed or AnswersWrong.
	judge func(s *Service, ctx context.Context, tx *store.Tx, c Challenge, m method.Method, a Answer) (problem.Code, error)
}

// verifiers is the table of kinds that this version can prove.
var verifiers = map[method.Kind]verifier{
	method.Passkey:           {false, preparePasskey, judgePasskey},
	method.Email:             {true, prepareCode, judgeCode},
	method.MobilePhone:       {true, prepareCode, judgeCode},
	method.OfficePhone:       {true, prepareCode, judgeCode},
	method.AuthenticatorCode: {false, prepareTOTP, judgeTOTP},
	method.RecoveryCode:      {false, prepareRecovery, judgeRecovery},

	method.AuthenticatorPush:   {true, refusePush, judgePush},
	method.HardwareToken:       {false, prepareTOTP, judgeToken},
	method.TemporaryAccessPass: {false, preparePass, judgePass},
	method.SecurityQuestions:   {false, prepareQuestions, judgeQuestions},
}

// Sends tells whether proving a kind begins with a message.
func Sends(k method.Kind) bool { return verifiers[k].sends }

// Verifies tells whether this version can prove a kind.
func Verifies(k method.Kind) bool {
	_, ok := verifiers[k]
	return ok
}

// Prepare reads an answer and does its slow part. Call it without a transaction.
// Problems: CodeFormat (cannot be an answer at all; not counted), MethodNotAllowed, Busy.
func (s *Service) Prepare(ctx context.Context, m method.Method, raw string) (Answer, error) {
	v, ok := verifiers[m.Kind]
	if !ok {
		return Answer{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	a, err := v.prepare(s, ctx, m, raw)
	if err != nil {
		return Answer{}, err
	}
	a.kind, a.method = m.Kind, m.ID
	return a, nil
}

func prepareCode(_ *Service, _ context.Context, _ method.Method, raw string) (Answer, error) {
	code, err := digitsOf(raw, 6, 12)
	return Answer{digits: code}, err
}

func judgeCode(s *Service, _ context.Context, _ *store.Tx, c Challenge, _ method.Method, a Answer) (problem.Code, error) {
	right := subtle.ConstantTimeCompare([]byte(s.code(c)), []byte(a.digits)) == 1
	if !right || c.SentAt.IsZero() {
		return problem.CodeWrong, nil
	}
	return "", nil
}

func prepareRecovery(s *Service, ctx context.Context, m method.Method, raw string) (Answer, error) {
	hash, err := s.methods.HashRecoveryCode(ctx, m.Secret, raw)
	return Answer{hash: hash}, err
}

func judgeRecovery(s *Service, ctx context.Context, tx *store.Tx, _ Challenge, m method.Method, a Answer) (problem.Code, error) {
	index, ok := method.MatchRecoveryCode(m.Secret, a.hash)
	if !ok {
		return problem.CodeWrong, nil
	}
	first, err := s.methods.RecoveryUse(ctx, tx, m.ID, index)
	if err != nil {
		return "", err
	}
	if !first {
		return problem.CodeUsed, nil
	}
	return "", nil
}
