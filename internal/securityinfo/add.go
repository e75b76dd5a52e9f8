package securityinfo

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Begin is a method to register.
type Begin struct {
	Kind method.Kind
	// Replaces is the method that the new one takes the place of, empty: none.
	Replaces string
	Form     Form
	Lang     string // of the message with the code
	Device   string // the browser's tokens
}

// Reply is what became of a step.
type Reply struct {
	// Refused is why nothing, or not all, was done; what was counted is stored. nil: it was done.
	Refused *problem.Error
	// Left is how many tries remain after a wrong answer.
	Left   int
	Method method.Method
	// Codes are shown in this answer and never again.
	Codes []string
	// Token is the browser's new token, where the step proved the session; else empty.
	Token string
	// Device is a token that the browser keeps from now on, else empty.
	Device string
	// EndedCodes: recovery codes that the password alone was enough to make no longer count.
	EndedCodes bool
}

// Begin stores a method that waits for its proof and sends what proves it, or
// stores one that is issued. Problems: StepUp, SignedOut, RegisterElsewhere, MethodKind,
// MethodLimit, MethodDuplicate, NotFound (of Replaces), AfterReset, Conflict,
// Busy, and those of the kind's form. Refused SendLimit: too many messages.
func (s *Service) Begin(ctx context.Context, by audit.Actor, who Who, in Begin) (Reply, error) {
	r, ok := registrars[in.Kind]
	if !ok {
		return Reply{}, problem.New(problem.MethodKind).On("kind")
	}
	var f facts
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if f, err = s.read(ctx, tx, who); err != nil {
			return err
		}
		return s.mayBegin(f, in)
	})
	if err != nil {
		return Reply{}, err
	}
	f.device, f.replaces = in.Device, in.Replaces
	draft, err := r.draft(ctx, s, f, in.Form)
	if err != nil {
		return Reply{}, err
	}
	draft.Method.OrgID, draft.Method.AccountID, draft.Method.Kind = who.Account.OrgID, who.Account.ID, in.Kind
	draft.Method.Owner, draft.Method.Replaces = who.Session.ID, in.Replaces
	if name := in.Form["name"]; name != "" {
		draft.Method.Name = name
	}
	var reply Reply
	err = s.step(ctx, who, func(tx *store.Tx, f facts) error {
		reply = Reply{}
		if err := s.mayBegin(f, in); err != nil {
			return err
		}
		if r.admit != nil {
			if err := r.admit(f, in.Form); err != nil {
				return err
			}
		}
		if r.issued {
			return s.issue(ctx, tx, by, f, draft, &reply)
		}
		return s.await(ctx, tx, by, f, draft.Method, in.Lang, in.Form.channel(), &reply)
	})
	if err != nil {
		return Reply{}, err
	}
	if reply.Refused == nil {
		reply.Device = draft.Device
	}
	return reply, nil
}

func (s *Service) mayBegin(f facts, in Begin) error {
	if err := s.fresh(f, in.Kind); err != nil {
		return err
	}
	if err := f.inside(); err != nil {
		return err
	}
	if in.Replaces != "" {
		old, err := f.proved(in.Replaces)
		if err != nil || old.Kind != in.Kind {
			return problem.New(problem.NotFound)
		}
	}
	if !f.offers(in.Kind) {
		return problem.New(problem.MethodKind).On("kind")
	}
	if in.Replaces != "" || in.Kind.Replaced() && f.current(in.Kind).ID != "" {
		return f.steady()
	}
	return nil
}

// issue stores a method that counts at once.
func (s *Service) issue(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, d Draft, reply *Reply) error {
	replaced := f.current(d.Method.Kind).ID
	d.Method.Proved, d.Method.ProvedBy, d.Method.Replaces = true, method.ByPerson, ""
	m, err := s.d.Methods.Add(ctx, tx, d.Method)
	if err != nil {
		return err
	}
	reply.Method, reply.Codes = m, d.Codes
	m.Replaces = replaced
	return s.registered(ctx, tx, by, f, m, reply)
}

// await stores a method that waits for its proof, and sends its code.
func (s *Service) await(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method, lang string, channel notify.Channel, reply *Reply) error {
	if challenge.Sends(m.Kind) && m.Kind != method.AuthenticatorPush { // its number goes nowhere
		if refused, err := s.countSend(ctx, tx, by, f, m); refused != nil || err != nil {
			reply.Refused = refused
			return err
		}
	}
	m, err := s.d.Methods.Add(ctx, tx, m)
	if err != nil {
		return err
	}
	reply.Method = m
	return s.send(ctx, tx, by, f, m, lang, channel, reply)
}

// send opens the challenge of a pending method and sends its code, where the kind has one.
func (s *Service) send(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method, lang string, channel notify.Channel, reply *Reply) error {
	start := s.start(f, m, lang)
	start.Channel = channel
	c, err := s.d.Challenges.Begin(ctx, tx, by, start)
	if err != nil {
		return err
	}
	sent, err := s.d.Challenges.Send(ctx, tx, by, start, c)
	if err == nil && !sent.Sent {
		reply.Refused = problem.New(sent.Code).After(sent.RetryAfter)
	}
	return err
}

func (s *Service) start(f facts, m method.Method, lang string) challenge.Start {
	return challenge.Start{Org: f.org, Account: f.account, Method: m, Purpose: challenge.Register, Owner: f.session.ID, Lang: lang}
}

// countSend bounds what one account sends to addresses that nobody has proved:
// each registration is a new method with a count of its own in room challenge.
func (s *Service) countSend(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method) (*problem.Error, error) {
	key, limit := "register_sends:", f.org.Policy.Throttle.EmailSends
	if m.Kind.Class() == method.PhoneLine {
		key, limit = "register_phone_sends:", f.org.Policy.Throttle.PhoneSends
	}
	verdict, err := throttle.Take(ctx, tx, key+f.org.ID+":"+f.account.ID, limit)
	if err != nil || verdict.Allowed {
		return nil, err
	}
	if verdict.JustLocked {
		err = s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.MethodAdded, Org: f.org.ID, Target: f.account.ID, TargetUserID: f.account.Entry.UserID,
			Outcome: audit.Denied, Reason: string(problem.SendLimit), MethodKind: string(m.Kind),
		})
	}
	return problem.New(problem.SendLimit).After(verdict.RetryAfter), err
}

// Pending is a registration that waits for its proof.
type Pending struct {
	Method    method.Method
	Challenge challenge.Challenge // zero: none is open
	Progress  notify.Progress     // of the message with its code; zero: none was sent, or nobody knows
	Until     time.Time           // it is given up then
	// Options are what the page's script asks the browser with, for a passkey.
	Options string
	// Number is what proves a device: it is typed where it is shown.
	Number string
}

// Pending gives what this session registers, the newest of a kind ("": of any).
// The second result is false where there is none.
func (s *Service) Pending(ctx context.Context, who Who, k method.Kind) (Pending, bool, error) {
	var p Pending
	var found bool
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		if p.Method, found = f.pending(k); !found {
			return nil
		}
		p.Until = p.Method.CreatedAt.Add(method.PendingFor)
		p.Challenge, err = s.current(ctx, tx, f, p.Method)
		if err == nil && p.Challenge.MessageID != "" && s.d.Deliveries != nil {
			p.Progress, err = s.d.Deliveries.Progress(ctx, tx, p.Challenge.MessageID)
		}
		if problem.Has(err, problem.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p.Number = s.d.Challenges.Number(p.Challenge, f.now)
		p.Options, err = s.d.Challenges.Options(f.org, f.account, p.Challenge, f.methods, f.now)
		return err
	})
	return p, found, err
}

func (s *Service) current(ctx context.Context, tx *store.Tx, f facts, m method.Method) (challenge.Challenge, error) {
	return s.d.Challenges.Current(ctx, tx, f.session.ID, f.org.ID, f.account.ID, m.ID)
}

// Resend sends the code of the pending method of a kind again. Problems: StepUp,
// SignedOut, CodeExpired (nothing is pending), SendOff. Refused SendLimit,
// SendPaused, PhoneCountry.
func (s *Service) Resend(ctx context.Context, by audit.Actor, who Who, k method.Kind, lang string) (Reply, error) {
	return s.ResendBy(ctx, by, who, k, lang, nil)
}

// ResendBy is Resend by what the form asks for: a mobile phone is texted or called.
func (s *Service) ResendBy(ctx context.Context, by audit.Actor, who Who, k method.Kind, lang string, form Form) (Reply, error) {
	var reply Reply
	err := s.step(ctx, who, func(tx *store.Tx, f facts) error {
		reply = Reply{}
		m, ok := f.pending(k)
		if !ok {
			return problem.New(problem.CodeExpired)
		}
		reply.Method = m
		if !challenge.Sends(m.Kind) {
			return nil
		}
		if m.Kind != method.AuthenticatorPush {
			if refused, err := s.countSend(ctx, tx, by, f, m); refused != nil || err != nil {
				reply.Refused = refused
				return err
			}
		}
		return s.send(ctx, tx, by, f, m, lang, form.channel(), &reply)
	})
	return reply, err
}

// Cancel gives up the pending method of a kind; there need not be one.
func (s *Service) Cancel(ctx context.Context, who Who, k method.Kind) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := challenge.Lock(ctx, tx, who.Account.OrgID, who.Account.ID); err != nil {
			return err
		}
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		m, ok := f.pending(k)
		if !ok {
			return nil
		}
		return s.d.Methods.Drop(ctx, tx, f.org.ID, f.account.ID, m.ID)
	})
}

// Confirm is the answer that proves a pending method.
type Confirm struct {
	Kind method.Kind
	// MethodID is the method that the page asked about; empty: whatever is pending.
	MethodID string
	Answer   string
	Name     string // empty: stays as it was
	Device   string // the browser's tokens
}

// Confirm judges the answer for the pending method of a kind; a right one makes
// it count. Problems: StepUp, SignedOut, CodeFormat, TooLong and BadInput (of
// the name), MethodKind, MethodLimit, MethodDuplicate, AfterReset, Busy. Refused:
// CodeWrong, CodeUsed, CodeExpired (also: nothing is pending), Blocked.
func (s *Service) Confirm(ctx context.Context, by audit.Actor, who Who, in Confirm) (Reply, error) {
	expired := Reply{Refused: problem.New(problem.CodeExpired)}
	p, ok, err := s.Pending(ctx, who, in.Kind)
	if err != nil {
		return Reply{}, err
	}
	if !ok || in.MethodID != "" && in.MethodID != p.Method.ID {
		return s.already(ctx, who, in, expired)
	}
	answer, err := s.prepare(ctx, p.Method, in)
	if err != nil {
		return Reply{}, err
	}
	var reply Reply
	err = s.step(ctx, who, func(tx *store.Tx, f facts) error {
		reply = Reply{}
		if err := f.inside(); err != nil {
			return err
		}
		m, ok := f.pending(in.Kind)
		if !ok || m.ID != p.Method.ID {
			reply = expired
			return nil
		}
		return s.judge(ctx, tx, by, f, m, in, answer, &reply)
	})
	if err == nil && reply.Refused != nil && reply.Refused.Code == problem.CodeExpired {
		return s.already(ctx, who, in, reply)
	}
	return reply, err
}

func (s *Service) prepare(ctx context.Context, m method.Method, in Confirm) (challenge.Answer, error) {
	if m.Kind == method.AuthenticatorPush {
		return s.d.Challenges.PrepareDevice(m, in.Device, in.Answer)
	}
	return s.d.Challenges.Prepare(ctx, m, in.Answer)
}

// already answers the second press of a button like the first: the method that
// the page asked about was proved in this session.
func (s *Service) already(ctx context.Context, who Who, in Confirm, otherwise Reply) (Reply, error) {
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		m, err := f.proved(in.MethodID)
		if err == nil && m.Owner == f.session.ID && m.Kind == in.Kind {
			otherwise = Reply{Method: m}
		}
		return nil
	})
	return otherwise, err
}

func (s *Service) judge(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method, in Confirm, answer challenge.Answer, reply *Reply) error {
	if err := s.mayBegin(f, Begin{Kind: m.Kind, Replaces: replacedNow(f, m)}); err != nil {
		return err
	}
	if still := registrars[m.Kind].still; still != nil {
		if err := still(f, m); err != nil {
			return err
		}
	}
	if in.Name != "" {
		if err := s.d.Methods.SetName(ctx, tx, f.org.ID, f.account.ID, m.ID, in.Name); err != nil {
			return err
		}
	}
	c, err := s.current(ctx, tx, f, m)
	if problem.Has(err, problem.NotFound) && !challenge.Sends(m.Kind) || err == nil && !challenge.Sends(m.Kind) && !c.ExpiresAt.After(f.now) {
		c, err = s.d.Challenges.Begin(ctx, tx, by, s.start(f, m, ""))
		if err == nil && m.Kind == method.Passkey {
			// It was made for the challenge before: the page asks once more.
			reply.Refused = problem.New(problem.CodeExpired)
			return nil
		}
	}
	if passed, err := s.passed(ctx, tx, by, f, c, err, answer, reply); !passed {
		return err
	}
	proved, err := s.d.Methods.SetProved(ctx, tx, f.org.ID, f.account.ID, m.ID, method.ByPerson)
	if err != nil {
		return err
	}
	reply.Method = proved
	return s.registered(ctx, tx, by, f, proved, reply)
}

// passed tells whether an answer passed a challenge that was looked for; found is
// what the look-up said. What refuses it stands in the reply.
func (s *Service) passed(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, c challenge.Challenge, found error, answer challenge.Answer, reply *Reply) (bool, error) {
	if problem.Has(found, problem.NotFound) {
		reply.Refused = problem.New(problem.CodeExpired)
		return false, nil
	}
	if found != nil {
		return false, found
	}
	result, err := s.d.Challenges.Pass(ctx, tx, by, f.org, c, answer)
	if err != nil {
		return false, err
	}
	if result.Outcome != challenge.OutcomePassed {
		reply.Refused, reply.Left = problem.New(result.Code).After(result.RetryAfter), result.Left
		return false, nil
	}
	return true, nil
}

// replacedNow is what a method replaces, if that is still there.
func replacedNow(f facts, m method.Method) string {
	if _, err := f.proved(m.Replaces); err != nil {
		return ""
	}
	return m.Replaces
}

// registered does what follows when a method begins to count. f is as it was before.
func (s *Service) registered(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method, reply *Reply) error {
	kind, detail := audit.MethodAdded, map[string]string(nil)
	old, err := f.proved(m.Replaces)
	changed := err == nil
	if changed {
		kind, detail = audit.MethodChanged, map[string]string{"replaces": old.ID}
	}
	if err := s.record(ctx, tx, by, f, m, kind, "", detail); err != nil {
		return err
	}
	codes := f.outgrown(m)
	if codes.ID != "" {
		if err := s.endCodes(ctx, tx, by, f, codes); err != nil {
			return err
		}
		reply.EndedCodes = true
	}
	after, err := s.d.Methods.List(ctx, tx, f.org.ID, f.account.ID)
	if err != nil {
		return err
	}
	if changed {
		err = s.tell(ctx, tx, by, f, notice{about: old, action: changedAction, to: addresses(after, m.ID), also: old})
	} else {
		err = s.tell(ctx, tx, by, f, notice{about: m, action: addedAction, to: addresses(after, m.ID)})
	}
	if err != nil {
		return err
	}
	if (f.account.RegisteredAt.IsZero() || f.account.MustRegister) && f.need.Registered(after, f.now) {
		if err := s.d.Accounts.MarkRegistered(ctx, tx, by, f.org.ID, f.account.ID); err != nil {
			return err
		}
	}
	return s.proveSession(ctx, tx, f, m, codes.ID, reply)
}

// proveSession takes back what a replaced method proved, and counts the new one
// as proved in this session where it stands in for it or is the account's first
// factor: asking for it again at once would only be a nuisance, and for a
// recovery code would burn one.
func (s *Service) proveSession(ctx context.Context, tx *store.Tx, f facts, m method.Method, ended string, reply *Reply) (err error) {
	if m.Replaces != "" {
		if err := s.d.Sessions.Unprove(ctx, tx, f.org.ID, f.account.ID, m.Replaces); err != nil {
			return err
		}
	}
	stands := f.session.FactorID != "" && (f.session.FactorID == m.Replaces || f.session.FactorID == ended)
	if f.hasFactor() && !stands || !m.Kind.ProvesSignIn() {
		return nil
	}
	reply.Token, err = s.d.Sessions.Prove(ctx, tx, f.session.ID, m.ID)
	return err
}
