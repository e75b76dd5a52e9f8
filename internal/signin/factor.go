package signin

import (
	"context"
	"slices"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Verification is what the page shows that asks for a second factor, at sign-in
// or again later on.
type Verification struct {
	Signed Signed
	// StepUp tells that the session is full and its proof is to be renewed.
	StepUp bool
	// ByPassword tells that there is no factor: the password is typed again.
	ByPassword bool
	// Provider is the name of the identity provider where it can be proved again;
	// empty: it cannot.
	Provider string
	// Choices are the factors that can be proved now, the first is offered first.
	// None, and not ByPassword: every factor was disabled, or is a phone to which
	// nothing can be sent (Unsent), or nothing but a pass that is used up let the
	// person in.
	Choices []method.Method
	Unsent  bool
	// Chosen is the one being proved, with its challenge where one was begun.
	Chosen    method.Method
	Challenge challenge.Challenge
	// Options are what the page's script asks the browser with, for a passkey.
	Options string
	// Number is what is typed on the device, while a request waits there;
	// Answered tells that it was, and that the session can be raised by it.
	Number   string
	Answered bool
	// Progress is how far the message with its code has come; zero: none was sent.
	Progress notify.Progress
}

// Reply is what became of a proof. A refusal that had to be counted is its Code
// and no error.
type Reply struct {
	In
	Code       problem.Code
	Left       int // tries left after CodeWrong
	RetryAfter time.Duration
}

func (s Signed) purpose() challenge.Purpose {
	if s.Session.Level == session.Full {
		return challenge.StepUp
	}
	return challenge.SignIn
}

func (s Signed) factor(id string) (method.Method, bool) {
	for _, m := range s.Factors() {
		if m.ID == id {
			return m, true
		}
	}
	return method.Method{}, false
}

// Verification gives what the page shows and changes nothing. An id that is no
// factor of the account chooses the first one. Problems as Current.
func (s *Service) Verification(ctx context.Context, token, methodID string) (Verification, error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return Verification{}, err
	}
	v := Verification{Signed: signed, StepUp: signed.purpose() == challenge.StepUp, Choices: method.Offered(signed.Factors())}
	if signed.ProvesByProvider() {
		v.Provider = signed.Org.IdentityProvider.Name
	}
	if !signed.HasFactor() {
		// A factor that went away since the password was typed: the session cannot
		// be raised by it, and by the password only where it is full already.
		// Without a password either, a pass that works more than once can be typed again.
		if v.ByPassword = v.StepUp && signed.HasPassword(); v.ByPassword || !v.StepUp {
			v.Choices = nil
			return v, nil
		}
	}
	if len(v.Choices) == 0 {
		v.Unsent = slices.ContainsFunc(signed.Methods, func(m method.Method) bool {
			return m.Usable() && factor(m) && !signed.Org.Offers(m.Kind)
		})
		return v, nil
	}
	v.Chosen = v.Choices[0]
	if m, ok := signed.factor(methodID); ok {
		v.Chosen = m
	}
	if v.Options, err = s.options(v); err != nil {
		return v, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		v.Challenge, err = s.d.Challenges.Current(ctx, tx, signed.Session.ID, signed.Org.ID, signed.Account.ID, v.Chosen.ID)
		if problem.Has(err, problem.NotFound) && v.Chosen.Kind == method.AuthenticatorPush {
			_, answered := s.d.Challenges.Answered(ctx, tx, signed.Session.ID, v.Chosen.ID, signed.purpose())
			if v.Answered = answered == nil; !v.Answered && !problem.Has(answered, problem.NotFound) {
				return answered
			}
		}
		if err != nil || v.Challenge.MessageID == "" || s.d.Deliveries == nil {
			return err
		}
		v.Progress, err = s.d.Deliveries.Progress(ctx, tx, v.Challenge.MessageID)
		return ignore(err)
	})
	if problem.Has(err, problem.NotFound) || v.Challenge.Purpose != signed.purpose() {
		v.Challenge, err = challenge.Challenge{}, ignore(err)
	}
	v.Number = s.d.Challenges.Number(v.Challenge, signed.Now)
	return v, err
}

func ignore(err error) error {
	if problem.Has(err, problem.NotFound) {
		return nil
	}
	return err
}

// Send begins the proof of a factor and sends what it needs: nothing, for most
// kinds. Code SendLimit with RetryAfter: too many messages; SendPaused and
// PhoneCountry: none to phones now, or there. Problems: MethodNotAllowed (it is
// no factor of this account), SendOff (no gateway for it).
func (s *Service) Send(ctx context.Context, by audit.Actor, token, methodID, lang string) (Reply, error) {
	return s.SendBy(ctx, by, token, methodID, lang, "")
}

// SendBy is Send over a channel: a mobile phone is texted or called.
func (s *Service) SendBy(ctx context.Context, by audit.Actor, token, methodID, lang string, channel notify.Channel) (Reply, error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return Reply{}, err
	}
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		m, ok := now.factor(methodID)
		if !ok {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		start := now.start(m, lang)
		start.Channel = channel
		c, err := s.d.Challenges.Begin(ctx, tx, by, start)
		if err != nil {
			return err
		}
		sent, err := s.d.Challenges.Send(ctx, tx, now.Actor(by), start, c)
		if err == nil && !sent.Sent {
			r.Code, r.RetryAfter = sent.Code, sent.RetryAfter
		}
		return err
	})
	return r, err
}

func (s Signed) start(m method.Method, lang string) challenge.Start {
	return challenge.Start{Org: s.Org, Account: s.Account, Method: m, Purpose: s.purpose(), Owner: s.Session.ID, Lang: lang}
}

// Answer judges a code. A wrong, expired or blocked one is in the reply's Code.
// Problems: SignedOut, MethodNotAllowed, CodeFormat (not a code at all; nothing
// was counted), Busy.
func (s *Service) Answer(ctx context.Context, by audit.Actor, token, methodID, code string) (Reply, error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return Reply{}, err
	}
	m, ok := signed.factor(methodID)
	if !ok {
		return Reply{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	answer, err := s.d.Challenges.Prepare(ctx, m, code)
	if err != nil {
		return Reply{}, err
	}
	by = signed.Actor(by)
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		return s.prove(ctx, tx, by, now, m.ID, answer, &r)
	})
	return r, err
}

func (s *Service) prove(ctx context.Context, tx *store.Tx, by audit.Actor, now Signed, methodID string, answer challenge.Answer, r *Reply) error {
	m, ok := now.factor(methodID)
	if !ok {
		return problem.New(problem.MethodNotAllowed).On("method")
	}
	c, err := s.opened(ctx, tx, by, now, m)
	if problem.Has(err, problem.NotFound) {
		r.Code = problem.CodeExpired
		return nil
	}
	if err != nil {
		return err
	}
	result, err := s.d.Challenges.Pass(ctx, tx, by, now.Org, c, answer)
	if err != nil {
		return err
	}
	r.Code, r.Left, r.RetryAfter = result.Code, result.Left, result.RetryAfter
	if result.Outcome != challenge.OutcomePassed {
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.SignInFailed, Org: now.Org.ID, Target: now.Account.ID, TargetUserID: now.Account.Entry.UserID,
			Outcome: audit.Failure, Reason: string(result.Code), MethodID: m.ID, MethodKind: string(m.Kind),
			Detail: map[string]string{"for": string(c.Purpose)},
		})
	}
	c = result.Challenge // of several passkeys it names the one that was used
	if r.Token, err = s.raise(ctx, tx, now.Session.ID, c); err != nil {
		return err
	}
	return s.proved(ctx, tx, by, now, string(c.Kind), c.MethodID, r)
}

// raise notes in the session what was proved. One that a pass let in ends with it.
func (s *Service) raise(ctx context.Context, tx *store.Tx, sessionID string, c challenge.Challenge) (string, error) {
	if c.Kind == method.TemporaryAccessPass {
		return s.d.Sessions.ProvePass(ctx, tx, sessionID, c.MethodID)
	}
	return s.d.Sessions.Prove(ctx, tx, sessionID, c.MethodID)
}

// opened gives the challenge that the answer is for. Kinds that are sent need
// one that was sent; the others begin with the answer.
func (s *Service) opened(ctx context.Context, tx *store.Tx, by audit.Actor, now Signed, m method.Method) (challenge.Challenge, error) {
	if !challenge.Sends(m.Kind) {
		return s.d.Challenges.Begin(ctx, tx, by, now.start(m, ""))
	}
	c, err := s.d.Challenges.Current(ctx, tx, now.Session.ID, now.Org.ID, now.Account.ID, m.ID)
	if err == nil && c.Purpose != now.purpose() {
		err = problem.New(problem.NotFound)
	}
	return c, err
}

// proved closes a step that went well: of a sign-in, or of one who is in already.
func (s *Service) proved(ctx context.Context, tx *store.Tx, by audit.Actor, before Signed, factor, methodID string, r *Reply) (err error) {
	r.Signed = before
	if r.Signed.Session, err = s.d.Sessions.Get(ctx, tx, before.Session.ID); err != nil {
		return err
	}
	if before.purpose() == challenge.SignIn {
		if err := s.arrived(ctx, tx, by, &r.Signed, factor, methodID); err != nil {
			return err
		}
		r.Step = Next(r.Signed, false)
		return nil
	}
	e := audit.Event{
		Kind: audit.SignInSucceeded, Org: before.Org.ID, Target: before.Account.ID, TargetUserID: before.Account.Entry.UserID,
		Outcome: audit.Success, Reason: "stepup", Detail: map[string]string{"factor": factor},
	}
	if methodID != "" {
		e.MethodID, e.MethodKind = methodID, factor
	}
	r.Step = StepIn
	return s.d.Audit.Record(ctx, tx, by, e)
}

// PasswordAgain is the step-up of an account without a second factor. Problems
// as Password, and SignedOut; MethodNotAllowed: there is a factor to be proved.
func (s *Service) PasswordAgain(ctx context.Context, by audit.Actor, token, pw string) (Reply, error) {
	signed, err := s.Current(ctx, token)
	if err != nil {
		return Reply{}, err
	}
	if signed.purpose() != challenge.StepUp || signed.HasFactor() || !signed.HasPassword() {
		return Reply{}, problem.New(problem.MethodNotAllowed)
	}
	if pw == "" {
		return Reply{}, problem.New(problem.Required).On("password")
	}
	if err := s.admit(ctx, by, signed.Org); err != nil {
		return Reply{}, err
	}
	d, err := s.d.Accounts.Directory(signed.Org)
	if err != nil {
		return Reply{}, err
	}
	j := judged{org: signed.Org, account: signed.Account, at: s.d.DB.Now()}
	if err := s.ask(ctx, &j, d, pw); err != nil {
		return Reply{}, s.notJudged(ctx, by, err)
	}
	by = signed.Actor(by)
	if err := s.refusal(ctx, by, j); err != nil {
		if problem.Has(err, problem.SignInWrong) {
			return Reply{}, problem.New(problem.PasswordWrong).On("password")
		}
		return Reply{}, err
	}
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		if now.HasFactor() {
			return problem.New(problem.MethodNotAllowed)
		}
		if err := throttle.Return(ctx, tx, s.addressKey(by)); err != nil {
			return err
		}
		if r.Token, err = s.d.Sessions.PasswordTyped(ctx, tx, now.Session.ID); err != nil {
			return err
		}
		return s.proved(ctx, tx, by, now, "password", "", &r)
	})
	return r, err
}
