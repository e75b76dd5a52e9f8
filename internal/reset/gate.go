package reset

import (
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// View gives what the page of a flow shows. It changes nothing.
func (s *Service) View(ctx context.Context, f Flow) (View, error) {
	v := View{Flow: f}
	if f.Hidden() {
		return s.viewHidden(ctx, f)
	}
	if f.AccountID == "" || f.State.Over() {
		v.Step = Next(f, 0, 0)
		if f.OrgID == "" {
			return v, nil
		}
		return v, s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			v.Org, err = s.d.Orgs.Get(ctx, tx, f.OrgID)
			return err
		})
	}
	loaded, err := s.load(ctx, f)
	if err != nil {
		return v, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		// A page only shows: every step judges again. The policy and the account are
		// of a moment ago.
		now, by, err := s.standing(ctx, tx, f, loaded)
		if err != nil {
			return err
		}
		return s.show(ctx, tx, &v, now, by)
	})
	if err == nil && v.Step.Page == PagePassword {
		v.Rules = s.d.Accounts.Rules(ctx, v.Org, loaded.account, v.Rules)
	}
	return v, err
}

func (s *Service) show(ctx context.Context, tx *store.Tx, v *View, now facts, by []method.Method) error {
	passed := now.proved(by)
	v.Org, v.Gates, v.Gate = now.org, now.gates(), min(passed+1, now.gates())
	v.Step = Next(v.Flow, passed, v.Gates)
	v.Choices, v.CanUnlock = now.choices(kinds(by)), now.unlocks()
	v.Rules = account.ShownRules(now.org, s.d.Breached)
	for _, c := range v.Choices {
		if c.ID == v.Flow.MethodID {
			v.Chosen = c
		}
	}
	if v.Chosen.ID == "" {
		v.Flow.MethodID = "" // deleted meanwhile, or another passkey stands for all
		v.Step = Next(v.Flow, passed, v.Gates)
	}
	if v.Flow.MethodID == "" {
		return nil
	}
	c, err := s.d.Challenges.Current(ctx, tx, v.Flow.ID, v.Flow.OrgID, v.Flow.AccountID, v.Flow.MethodID)
	if err != nil && !errors.Is(err, problem.New(problem.NotFound)) {
		return err
	}
	v.Challenge = c
	if err := v.ask(now); err != nil {
		return err
	}
	v.Number = s.d.Challenges.Number(c, tx.Now())
	if v.Options, err = s.d.Challenges.Options(now.org, now.account, c, now.methods, tx.Now()); err != nil {
		return err
	}
	if c.MessageID == "" || s.d.Deliveries == nil {
		return nil
	}
	v.Progress, err = s.d.Deliveries.Progress(ctx, tx, c.MessageID)
	if errors.Is(err, problem.New(problem.NotFound)) {
		return nil
	}
	return err
}

// ask gives the questions of a chosen set.
func (v *View) ask(now facts) (err error) {
	if v.Chosen.Kind != method.SecurityQuestions {
		return nil
	}
	n := v.Challenge.Asks()
	if n == 0 { // the challenge is over; its answers will be told so
		n = now.org.Policy.Questions.ToReset
	}
	for _, m := range now.methods {
		if m.ID == v.Chosen.ID {
			v.Questions, err = m.Asked(n)
		}
	}
	return err
}

// action is what a step does under the account's lock: it changes the flow and
// fills the reply.
type action func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error

// step runs one step of a flow in one transaction with the account locked, and
// checks everything that every step needs: the flow lives, and the account may
// reset now. do changes *f and fills the reply.
func (s *Service) step(ctx context.Context, by audit.Actor, f Flow, do action) (Reply, error) {
	if f.State.Over() || f.Hidden() || f.AccountID == "" {
		return Reply{Flow: f, Step: Next(f, 0, 0)}, nil
	}
	loaded, err := s.load(ctx, f)
	if errors.Is(err, problem.New(problem.NotFound)) {
		loaded.known = false
	} else if err != nil {
		return Reply{Flow: f}, err
	} else if loaded.account, err = s.d.Accounts.Settle(ctx, by, loaded.org, loaded.account); err != nil {
		return Reply{Flow: f}, err
	}
	var r Reply
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		cur, err := s.again(ctx, tx, f)
		if err != nil {
			return err
		}
		if cur.State.Over() || cur.Hidden() {
			r.Flow, r.Step = cur, Next(cur, 0, 0)
			return nil
		}
		if !loaded.known {
			return s.stop(ctx, tx, by, &cur, &r, problem.NotVerified, 0)
		}
		now, proved, err := s.now(ctx, tx, cur, loaded)
		if err != nil {
			return err
		}
		if code, no := refused(judge(now)); no {
			if code != problem.Blocked {
				return s.stop(ctx, tx, by, &cur, &r, code, 0)
			}
			r.Code = code
			return s.stop(ctx, tx, by, &cur, &r, code, now.wait())
		}
		if err := do(tx, &cur, now, proved, &r); err != nil {
			return err
		}
		s.finish(&cur, now, proved, &r)
		return nil
	})
	return r, err
}

// finish fills the reply with where the flow stands after a step. What was read
// when the step began is still true under the account's lock, unless the step
// itself counted the gates again.
func (s *Service) finish(f *Flow, now facts, proved []method.Method, r *Reply) {
	gates := gateCount{now.proved(proved), now.gates()}
	if r.counted != nil {
		gates = *r.counted
	}
	r.Flow, r.Step = *f, Next(*f, gates.passed, gates.needed)
}

// stop ends a flow at a dead end.
func (s *Service) stop(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, r *Reply, code problem.Code, wait time.Duration) error {
	kind, err := s.tried(ctx, tx, *f)
	if err != nil {
		return err
	}
	f.State, f.Problem, f.MethodID = Problem, code, ""
	if wait > 0 {
		f.RetryAt = tx.Now().Add(wait)
	}
	if err := s.save(ctx, tx, *f); err != nil {
		return err
	}
	if err := s.d.Challenges.EndOwner(ctx, tx, f.ID); err != nil {
		return err
	}
	r.Flow, r.Step, r.RetryAfter = *f, Next(*f, 0, 0), wait
	e := s.event(*f, audit.ResetRefused, audit.Denied, string(code))
	e.MethodKind = kind
	return s.d.Audit.Record(ctx, tx, by, e)
}

// Choose picks the method for the gate. Nothing is sent. Problem MethodNotAllowed.
func (s *Service) Choose(ctx context.Context, by audit.Actor, f Flow, methodID string) (Reply, error) {
	if f.Hidden() {
		return s.hiddenChoose(ctx, by, f, methodID)
	}
	return s.step(ctx, by, f, s.choice(ctx, by, methodID))
}

// ChooseAndSend is Choose and, unless the person has to type a destination first,
// SendBy, in one step. Where sending is an error, the method is chosen all the same.
func (s *Service) ChooseAndSend(ctx context.Context, by audit.Actor, f Flow, methodID string, channel notify.Channel) (Reply, error) {
	var r Reply
	var err error
	if !f.Hidden() {
		choose, send := s.choice(ctx, by, methodID), s.sending(ctx, by, channel)
		r, err = s.step(ctx, by, f, func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error {
			if err := choose(tx, f, now, proved, r); err != nil || r.Code != "" || r.NeedsDestination {
				return err
			}
			return send(tx, f, now, proved, r)
		})
		if err == nil {
			return r, nil
		}
	}
	r, err = s.Choose(ctx, by, f, methodID)
	if err != nil || r.Code != "" || r.NeedsDestination {
		return r, err
	}
	return s.SendBy(ctx, by, r.Flow, channel)
}

func (s *Service) choice(ctx context.Context, by audit.Actor, methodID string) action {
	return func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error {
		if f.State == Writing || now.proved(proved) >= now.gates() {
			return nil
		}
		m, ok := now.choosable(methodID, proved)
		if !ok {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		if !f.counted {
			v, err := throttle.Take(ctx, tx, resetsKey(f.OrgID, f.AccountID), now.org.Policy.Throttle.Resets)
			if err != nil {
				return err
			}
			if !v.Allowed {
				return s.block(ctx, tx, by, f, r, v, "resets")
			}
			f.counted = true
		}
		c, err := s.d.Challenges.Begin(ctx, tx, by, s.begin(*f, now, m, proved))
		if err != nil {
			return err
		}
		r.NeedsDestination = c.NeedsDestination()
		f.State, f.MethodID = Verifying, m.ID
		return s.save(ctx, tx, *f)
	}
}

func (f facts) choosable(id string, proved []method.Method) (method.Method, bool) {
	for _, c := range f.choices(kinds(proved)) {
		if c.ID != id || !c.Usable {
			continue
		}
		for _, m := range f.methods {
			if m.ID == id {
				return m, true
			}
		}
	}
	return method.Method{}, false
}

func (s *Service) begin(f Flow, now facts, m method.Method, proved []method.Method) challenge.Start {
	return challenge.Start{
		Org: now.org, Account: now.account, Method: m, Purpose: challenge.Reset, Owner: f.ID,
		Gate: now.proved(proved) + 1, Lang: f.Lang,
	}
}

// block ends a flow because too much was tried.
func (s *Service) block(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, r *Reply, v throttle.Verdict, reason string) error {
	if v.JustLocked {
		if err := s.d.Audit.Record(ctx, tx, by, s.event(*f, audit.ResetBlocked, audit.Denied, reason)); err != nil {
			return err
		}
	}
	r.Code = problem.Blocked
	return s.stop(ctx, tx, by, f, r, problem.Blocked, v.RetryAfter)
}

// Back leaves the chosen method. What was proved stays proved.
func (s *Service) Back(ctx context.Context, by audit.Actor, f Flow) (Reply, error) {
	if f.Hidden() {
		return s.hiddenBack(ctx, by, f)
	}
	return s.step(ctx, by, f, func(tx *store.Tx, f *Flow, _ facts, _ []method.Method, _ *Reply) error {
		if f.State != Verifying {
			return nil
		}
		f.State, f.MethodID = Choosing, ""
		return s.save(ctx, tx, *f)
	})
}

// Send sends the code of the chosen method, or the code that lives again. For
// kinds that need no message it does nothing. A refusal that was counted is in the reply:
// SendLimit, SendPaused, PhoneCountry. Problems: Required on "destination" (see
// Destine), SendOff.
func (s *Service) Send(ctx context.Context, by audit.Actor, f Flow) (Reply, error) {
	return s.SendBy(ctx, by, f, "")
}

// SendBy is Send over a channel: a mobile phone is texted or called.
func (s *Service) SendBy(ctx context.Context, by audit.Actor, f Flow, channel notify.Channel) (Reply, error) {
	if f.Hidden() {
		return s.hiddenSend(ctx, by, f, "", channel)
	}
	return s.step(ctx, by, f, s.sending(ctx, by, channel))
}

func (s *Service) sending(ctx context.Context, by audit.Actor, channel notify.Channel) action {
	return func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error {
		if f.State != Verifying {
			return nil
		}
		m, ok := now.choosable(f.MethodID, proved)
		if !ok {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		start := s.begin(*f, now, m, proved)
		start.Channel = channel
		return s.send(ctx, tx, by, start, r)
	}
}

func (s *Service) send(ctx context.Context, tx *store.Tx, by audit.Actor, start challenge.Start, r *Reply) error {
	c, err := s.d.Challenges.Begin(ctx, tx, by, start)
	if err != nil {
		return err
	}
	sent, err := s.d.Challenges.Send(ctx, tx, by, start, c)
	if err != nil {
		return err
	}
	if !sent.Sent {
		r.Code, r.RetryAfter = sent.Code, sent.RetryAfter
	}
	return nil
}

// Destine judges the whole number that a person typed for the chosen phone and,
// when it is the registered one, sends the code there. A wrong one counts as a
// wrong answer (Code DestinationWrong). Problem PhoneInvalid: no number at all,
// nothing was counted.
func (s *Service) Destine(ctx context.Context, by audit.Actor, f Flow, typed string, channel notify.Channel) (Reply, error) {
	if f.Hidden() {
		return s.hiddenSend(ctx, by, f, typed, channel)
	}
	return s.step(ctx, by, f, func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error {
		if f.State != Verifying {
			return nil
		}
		c, m, open, err := s.answerable(ctx, tx, by, f, now, proved, r)
		if err != nil || !open {
			return err
		}
		result, err := s.d.Challenges.Destination(ctx, tx, by, now.org, c, typed)
		if err != nil {
			return err
		}
		if result.Outcome != challenge.OutcomeTyped {
			return s.settle(ctx, tx, by, f, now, proved, r, result)
		}
		start := s.begin(*f, now, m, proved)
		start.Channel = channel
		return s.send(ctx, tx, by, start, r)
	})
}

// Answer judges a code for the chosen method. A wrong, expired or blocked answer
// is in the reply's Code. Somebody who came for an unlock is unlocked as soon as
// enough is proved. Problem CodeFormat: not a code at all, nothing was counted.
func (s *Service) Answer(ctx context.Context, by audit.Actor, f Flow, methodID, code string) (Reply, error) {
	if f.Hidden() && methodID == f.MethodID {
		return s.hiddenAnswer(ctx, by, f, code)
	}
	if f.State != Verifying || methodID != f.MethodID {
		return s.step(ctx, by, f, func(*store.Tx, *Flow, facts, []method.Method, *Reply) error { return nil })
	}
	var m method.Method
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = s.d.Methods.Get(ctx, tx, f.OrgID, f.AccountID, methodID)
		return err
	})
	if err != nil {
		return Reply{Flow: f}, err
	}
	answer, err := s.d.Challenges.Prepare(ctx, m, code)
	if err != nil {
		return Reply{Flow: f}, err
	}
	return s.answer(ctx, by, f, methodID, answer)
}

// answer judges what was made ready to be judged.
func (s *Service) answer(ctx context.Context, by audit.Actor, f Flow, methodID string, answer challenge.Answer) (Reply, error) {
	unlock := false
	r, err := s.step(ctx, by, f, func(tx *store.Tx, f *Flow, now facts, proved []method.Method, r *Reply) error {
		unlock = false
		if f.State != Verifying || f.MethodID != methodID {
			return nil
		}
		if err := s.judge(ctx, tx, by, f, now, proved, answer, r); err != nil {
			return err
		}
		unlock = f.State == ChoosingPassword && now.unlocks()
		return nil
	})
	if err != nil || !unlock {
		return r, err
	}
	r, err = s.Unlock(ctx, by, r.Flow)
	r.Proved = true
	return r, err
}

func (s *Service) judge(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, proved []method.Method, a challenge.Answer, r *Reply) error {
	c, _, open, err := s.answerable(ctx, tx, by, f, now, proved, r)
	if err != nil || !open {
		return err
	}
	if c.Kind == method.Passkey {
		a = a.Among(now.passkeys())
	}
	result, err := s.d.Challenges.Pass(ctx, tx, by, now.org, c, a)
	if err != nil {
		return err
	}
	return s.settle(ctx, tx, by, f, now, proved, r, result)
}

// answerable gives the challenge of the chosen method when it takes an answer
// now; otherwise the reply says why not.
func (s *Service) answerable(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, proved []method.Method, r *Reply) (challenge.Challenge, method.Method, bool, error) {
	c, err := s.d.Challenges.Current(ctx, tx, f.ID, f.OrgID, f.AccountID, f.MethodID)
	if errors.Is(err, problem.New(problem.NotFound)) {
		r.Code = problem.CodeExpired
		return c, method.Method{}, false, nil
	}
	if err != nil {
		return c, method.Method{}, false, err
	}
	if wait := now.locked[f.MethodID]; wait > 0 {
		r.Code, r.RetryAfter = problem.Blocked, wait
		return c, method.Method{}, false, s.gateBlocked(ctx, tx, by, f, now, r)
	}
	m, ok := now.choosable(f.MethodID, proved)
	if !ok {
		f.State, f.MethodID, r.Code = Choosing, "", problem.MethodNotAllowed
		return c, m, false, s.save(ctx, tx, *f)
	}
	return c, m, true, nil
}

// settle records what an answer was and moves the flow.
func (s *Service) settle(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, proved []method.Method, r *Reply, result challenge.Result) error {
	e := s.event(*f, audit.ResetGateFailed, audit.Failure, string(result.Code))
	e.MethodID, e.MethodKind = result.Challenge.MethodID, string(result.Challenge.Kind)
	if result.Outcome == challenge.OutcomePassed {
		e.Kind, e.Outcome, e.Reason = audit.ResetGatePassed, audit.Success, ""
	}
	if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
		return err
	}
	r.Code, r.Left, r.RetryAfter = result.Code, result.Left, result.RetryAfter
	switch result.Outcome {
	case challenge.OutcomePassed:
		r.Proved = true
		return s.gatePassed(ctx, tx, by, f, now, r)
	case challenge.OutcomeWrong:
		if result.Code == problem.PasskeyCopied {
			f.State, f.MethodID = Choosing, ""
			if err := s.save(ctx, tx, *f); err != nil {
				return err
			}
		}
		return s.gateFailed(ctx, tx, by, f, now, r)
	case challenge.OutcomeExpired:
		return s.askAgain(ctx, tx, by, f, now, proved, result.Challenge)
	case challenge.OutcomeBlocked:
		return s.gateBlocked(ctx, tx, by, f, now, r)
	}
	return nil
}

// askAgain begins a new challenge for a kind that nothing is sent for, so that
// the page can be used again at once.
func (s *Service) askAgain(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, proved []method.Method, c challenge.Challenge) error {
	m, ok := now.choosable(f.MethodID, proved)
	if !ok || challenge.Sends(c.Kind) {
		return nil
	}
	_, err := s.d.Challenges.Begin(ctx, tx, by, s.begin(*f, now, m, proved))
	return err
}

// gateBlocked leaves a method that takes no more answers: for another one, or
// for the dead end when there is none.
func (s *Service) gateBlocked(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, r *Reply) error {
	fresh, _, err := s.now(ctx, tx, *f, now)
	if err != nil {
		return err
	}
	if wait := fresh.wait(); wait > 0 || !fresh.enough(fresh.passed) {
		return s.stop(ctx, tx, by, f, r, problem.Blocked, max(wait, r.RetryAfter))
	}
	f.State, f.MethodID = Choosing, ""
	return s.save(ctx, tx, *f)
}

// gatePassed ends every other flow of the account: whoever proved something last
// goes on. Merely starting flows, which a stranger can, ends nobody's.
func (s *Service) gatePassed(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, r *Reply) error {
	if err := s.endOthers(ctx, tx, by, *f); err != nil {
		return err
	}
	fresh, proved, err := s.now(ctx, tx, *f, now)
	if err != nil {
		return err
	}
	r.counted = &gateCount{fresh.proved(proved), fresh.gates()}
	f.State, f.MethodID = Choosing, ""
	if r.counted.passed >= r.counted.needed {
		f.State = ChoosingPassword
	}
	return s.save(ctx, tx, *f)
}

// gateFailed counts the flow's first wrong answer as an identity failure.
func (s *Service) gateFailed(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, r *Reply) error {
	if f.failed {
		return nil
	}
	v, err := throttle.Take(ctx, tx, failuresKey(f.OrgID, s.subjectOf(*f)), now.org.Policy.Throttle.IdentityFailures)
	if err != nil {
		return err
	}
	if !v.Allowed {
		return s.block(ctx, tx, by, f, r, v, "identity_failures")
	}
	f.failed = true
	return s.save(ctx, tx, *f)
}

func (s *Service) endOthers(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow) error {
	others, err := selectOthers(ctx, tx, f.OrgID, f.AccountID, f.ID)
	if err != nil {
		return err
	}
	for _, id := range others {
		left, err := selectFlow(ctx, tx, id)
		if err != nil {
			return err
		}
		kind, err := s.tried(ctx, tx, left.Flow)
		if err != nil {
			return err
		}
		if _, err := endFlow(ctx, tx, id); err != nil {
			return err
		}
		if err := s.d.Challenges.EndOwner(ctx, tx, id); err != nil {
			return err
		}
		e := s.event(f, audit.ResetAbandoned, audit.Denied, "replaced")
		e.MethodKind = kind
		if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
			return err
		}
	}
	return nil
}
