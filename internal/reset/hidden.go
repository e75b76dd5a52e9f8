package reset

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// A hidden flow is one of an organization that does not disclose a status. Until
// the first proof it is the same for a person who can reset, one who cannot, and
// one who does not exist: the kinds of the policy are offered, the whole address
// or number is typed, a code is sent only where that is registered, and every
// other code is wrong. Counters are those of a kind of method and of a user ID,
// so that they run for nobody as they do for somebody. After the first proof it
// is a flow like any other.

// hiddenPrefix begins what is chosen in a hidden flow: a kind, not a method.
const hiddenPrefix = "kind:"

// beat is what the answers of a hidden flow are rounded up to. The work behind
// them differs by single milliseconds, a mail that is queued or a code that is
// compared, and by one slow hash at most.
const beat = 50 * time.Millisecond

// even waits until a whole number of beats has gone by.
func even(ctx context.Context, began time.Time) {
	t := time.NewTimer(beat - time.Since(began)%beat)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// Hidden tells whether the flow shows nothing of the account yet.
func (f Flow) Hidden() bool { return f.hidden && !f.State.Over() }

// SentTo is what was typed as the address or number of a hidden flow; empty
// before a code was asked for.
func (f Flow) SentTo() string { return f.sentTo }

// hides tells whether flows of an organization begin hidden. That resets are off
// for everybody is no status of an account.
func hides(o *org.Organization) bool {
	return o != nil && !o.Policy.Reset.DiscloseStatus && o.Policy.Reset.Scope != org.ScopeNone
}

// subject is whose counters a flow uses: the account's, or those of one that
// cannot be, the same for a user ID on every node and every day.
func (s *Service) subject(orgID, accountID, userID string) string {
	if accountID != "" {
		return accountID
	}
	return hex.EncodeToString(s.d.Keys.Index("reset nobody", orgID+"|"+userID)[:16])
}

func (s *Service) subjectOf(f Flow) string { return s.subject(f.OrgID, f.AccountID, f.UserID) }

// hiddenKinds are the kinds that a hidden flow offers: all that the policy allows
// and that need nothing of the account's to be shown.
func hiddenKinds(o *org.Organization) []method.Kind {
	var kinds []method.Kind
	for _, k := range method.Kinds() {
		if k.Typed() && k.Built() && k.ProvesReset() && o.Offers(k) && o.Policy.Allows(k) && k != method.TemporaryAccessPass {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func hiddenKind(o *org.Organization, id string) (method.Kind, bool) {
	for _, k := range hiddenKinds(o) {
		if hiddenPrefix+string(k) == id {
			return k, true
		}
	}
	return "", false
}

// viewHidden is View for a hidden flow: it reads the organization alone.
func (s *Service) viewHidden(ctx context.Context, f Flow) (View, error) {
	v := View{Flow: f, Gate: 1, Step: Next(f, 0, 0)}
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		v.Org, err = s.d.Orgs.Get(ctx, tx, f.OrgID)
		return err
	})
	if err != nil {
		return v, err
	}
	v.Gates = v.Org.Policy.Reset.Gates
	for _, k := range hiddenKinds(v.Org) {
		c := Choice{ID: hiddenPrefix + string(k), Kind: k, Usable: true}
		if k.Class() == method.Authenticator {
			c.Digits = 6 // of nearly all
		}
		v.Choices = append(v.Choices, c)
		if c.ID == f.MethodID {
			v.Chosen = c
		}
	}
	v.Challenge.SentAt = f.sentAt
	v.NeedsDestination = challenge.Sends(v.Chosen.Kind) && f.sentAt.IsZero()
	return v, nil
}

// hiddenFacts asks for everything that every hidden step asks for, whoever it is.
func (s *Service) hiddenFacts(ctx context.Context, by audit.Actor, f Flow) (facts, error) {
	var o *org.Organization
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		o, err = s.d.Orgs.Get(ctx, tx, f.OrgID)
		return err
	})
	if err != nil {
		return facts{}, err
	}
	now, err := s.gatherIn(ctx, o, f.UserID, f.Reason)
	if err == nil && now.known && s.d.Accounts.Unsettled(o, now.account) {
		// What is on its way is stored first: a code is sent to rows alone.
		if _, err = s.d.Accounts.Settle(ctx, by, o, now.account); err == nil {
			now, err = s.gatherIn(ctx, o, f.UserID, f.Reason)
		}
	}
	if now.account.ID != f.AccountID {
		now.known, now.methods = false, nil // it came or went since the flow began
	}
	return now, err
}

// hiddenStep is step for a hidden flow.
func (s *Service) hiddenStep(ctx context.Context, by audit.Actor, f Flow, now facts, do func(tx *store.Tx, f *Flow, now facts, r *Reply) error) (Reply, error) {
	var r Reply
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		r = Reply{}
		if err := challenge.Lock(ctx, tx, f.OrgID, s.subjectOf(f)); err != nil {
			return err
		}
		stored, err := selectFlow(ctx, tx, f.ID)
		if err != nil {
			return err
		}
		cur, err := s.opened(tx, stored)
		if err != nil {
			return err
		}
		if cur.Hidden() {
			if err := s.throttles(ctx, tx, &now, f.OrgID, s.subjectOf(f), now.org.Policy.Throttle, cur); err != nil {
				return err
			}
			if now.retryAfter > 0 {
				r.Code = problem.Blocked
				return s.stop(ctx, tx, by, &cur, &r, problem.Blocked, now.retryAfter)
			}
			if err := do(tx, &cur, now, &r); err != nil {
				return err
			}
		}
		if r.Flow.ID == "" {
			r.Flow, r.Step = cur, Next(cur, 0, 0)
		}
		return nil
	})
	return r, err
}

// hiddenChoose is Choose for a hidden flow: it picks a kind.
func (s *Service) hiddenChoose(ctx context.Context, by audit.Actor, f Flow, id string) (Reply, error) {
	defer even(ctx, time.Now())
	now, err := s.hiddenFacts(ctx, by, f)
	if err != nil {
		return Reply{Flow: f}, err
	}
	return s.hiddenStep(ctx, by, f, now, func(tx *store.Tx, f *Flow, now facts, r *Reply) error {
		k, ok := hiddenKind(now.org, id)
		if !ok {
			return problem.New(problem.MethodNotAllowed).On("method")
		}
		if !f.counted {
			v, err := throttle.Take(ctx, tx, resetsKey(f.OrgID, s.subjectOf(*f)), now.org.Policy.Throttle.Resets)
			if err != nil {
				return err
			}
			if !v.Allowed {
				return s.block(ctx, tx, by, f, r, v, "resets")
			}
			f.counted = true
		}
		r.NeedsDestination = challenge.Sends(k)
		f.State, f.MethodID, f.sentTo, f.sentAt = Verifying, id, "", time.Time{}
		return s.save(ctx, tx, *f)
	})
}

func (s *Service) hiddenBack(ctx context.Context, by audit.Actor, f Flow) (Reply, error) {
	defer even(ctx, time.Now())
	now, err := s.hiddenFacts(ctx, by, f)
	if err != nil {
		return Reply{Flow: f}, err
	}
	return s.hiddenStep(ctx, by, f, now, func(tx *store.Tx, f *Flow, _ facts, _ *Reply) error {
		f.State, f.MethodID, f.sentTo, f.sentAt = Choosing, "", "", time.Time{}
		return s.save(ctx, tx, *f)
	})
}

// hiddenSend asks for a code at what was typed, or again at what was typed
// before. Whether one leaves, nobody is told.
func (s *Service) hiddenSend(ctx context.Context, by audit.Actor, f Flow, typed string, channel notify.Channel) (Reply, error) {
	defer even(ctx, time.Now())
	now, err := s.hiddenFacts(ctx, by, f)
	if err != nil {
		return Reply{Flow: f}, err
	}
	return s.hiddenStep(ctx, by, f, now, func(tx *store.Tx, f *Flow, now facts, r *Reply) error {
		k, ok := hiddenKind(now.org, f.MethodID)
		if !ok || f.State != Verifying || !challenge.Sends(k) {
			return nil
		}
		to := f.sentTo
		if typed != "" {
			to = typed
		}
		if to == "" {
			return problem.New(problem.Required).On("destination")
		}
		if err := plausible(k, to); err != nil {
			return err
		}
		limit := now.org.Policy.Throttle.EmailSends
		if k.Class() == method.PhoneLine {
			limit = now.org.Policy.Throttle.PhoneSends
		}
		v, err := s.d.Challenges.TakeHiddenSend(ctx, tx, f.OrgID, s.subjectOf(*f), k, limit)
		if err != nil {
			return err
		}
		if !v.Allowed {
			r.Code, r.RetryAfter = problem.SendLimit, v.RetryAfter
			return nil
		}
		f.sentTo, f.sentAt = to, tx.Now()
		if err := s.save(ctx, tx, *f); err != nil {
			return err
		}
		return s.reallySend(ctx, tx, by, *f, now, k, channel)
	})
}

// plausible refuses what can be no address or number at all, without a look at
// what is registered.
func plausible(k method.Kind, typed string) error {
	if k == method.Email {
		if _, err := method.ValidateEmail(typed, nil); err != nil {
			return problem.New(problem.EmailInvalid).On("destination")
		}
		return nil
	}
	digits := 0
	for _, r := range typed {
		if _, ok := method.Digit(r); ok {
			digits++
		}
	}
	if digits < 5 || len(typed) > 64 {
		return problem.New(problem.PhoneInvalid).On("destination")
	}
	return nil
}

// reaches tells whether what was typed is where a method's codes go.
func reaches(m method.Method, typed string) bool {
	if m.Kind == method.Email {
		address, err := method.ValidateEmail(typed, nil)
		return err == nil && strings.EqualFold(address, m.Value)
	}
	same, err := method.SamePhone(m.Value, typed)
	return err == nil && same
}

// reallySend sends the code where what was typed is registered. Refusals stay
// here: nobody but the person's own mailbox or phone is told the difference.
func (s *Service) reallySend(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow, now facts, k method.Kind, channel notify.Channel) error {
	for _, m := range now.candidates(k) {
		if !reaches(m, f.sentTo) {
			continue
		}
		start := s.begin(f, now, m, nil)
		start.Channel = channel
		c, err := s.d.Challenges.Begin(ctx, tx, by, start)
		if err == nil && c.NeedsDestination() {
			_, err = s.d.Challenges.Destination(ctx, tx, by, now.org, c, f.sentTo)
		}
		if err == nil {
			_, err = s.d.Challenges.Send(ctx, tx, by, start, c)
		}
		if p, refusal := problem.As(err); refusal {
			s.d.Log.WarnContext(ctx, "a code was not sent", "flow", f.ID, "reason", string(p.Code))
			return nil
		}
		return err
	}
	return nil
}

// candidates are the methods of a kind that could prove this account's reset.
func (f facts) candidates(k method.Kind) []method.Method {
	if !f.known {
		return nil
	}
	var all []method.Method
	for _, m := range f.methods {
		if why, _ := f.refusal(m); m.Kind == k && why == "" {
			all = append(all, m)
		}
	}
	return all
}

// hiddenAnswer judges a code for the chosen kind.
func (s *Service) hiddenAnswer(ctx context.Context, by audit.Actor, f Flow, code string) (Reply, error) {
	defer even(ctx, time.Now())
	now, err := s.hiddenFacts(ctx, by, f)
	if err != nil {
		return Reply{Flow: f}, err
	}
	kind, ok := hiddenKind(now.org, f.MethodID)
	if !ok || f.State != Verifying {
		return Reply{Flow: f, Step: Next(f, 0, 0)}, nil
	}
	answers, err := s.prepareHidden(ctx, now, kind, code)
	if err != nil {
		return Reply{Flow: f}, err
	}
	unlock := false
	r, err := s.hiddenStep(ctx, by, f, now, func(tx *store.Tx, f *Flow, now facts, r *Reply) error {
		unlock = false
		if k, ok := hiddenKind(now.org, f.MethodID); !ok || k != kind || f.State != Verifying {
			return nil
		}
		v, err := s.d.Challenges.TakeHidden(ctx, tx, f.OrgID, s.subjectOf(*f), kind, now.org.Policy.Throttle.Gate)
		if err != nil {
			return err
		}
		if !v.Allowed {
			r.Code, r.RetryAfter = problem.Blocked, v.RetryAfter
			return s.hiddenBlocked(ctx, tx, by, f, now, r)
		}
		passed, err := s.tryHidden(ctx, tx, by, *f, now, kind, answers)
		if err != nil {
			return err
		}
		if passed == nil {
			return s.hiddenWrong(ctx, tx, by, f, now, kind, v, r)
		}
		if err := s.reveal(ctx, tx, by, f, now, *passed, r); err != nil {
			return err
		}
		unlock = f.State == ChoosingPassword && now.unlocks()
		return nil
	})
	if err != nil || !unlock {
		return r, err
	}
	return s.Unlock(ctx, by, r.Flow)
}

// prepareHidden does the slow part for every method that the code could be of;
// where there is none, for one that cannot be.
func (s *Service) prepareHidden(ctx context.Context, now facts, k method.Kind, code string) (map[string]challenge.Answer, error) {
	of := now.candidates(k)
	authenticator := k.Class() == method.Authenticator
	if authenticator {
		// How many digits somebody's own has is not told: any that one can have are a code.
		if err := s.anyDigits(ctx, k, code); err != nil {
			return nil, err
		}
	} else if len(of) == 0 {
		of = []method.Method{method.Decoy(k)}
	}
	answers := make(map[string]challenge.Answer, len(of))
	for _, m := range of {
		a, err := s.d.Challenges.Prepare(ctx, m, code)
		if authenticator && errors.Is(err, problem.New(problem.CodeFormat)) {
			continue // wrong, and no more is said
		}
		if err != nil {
			return nil, err
		}
		answers[m.ID] = a
	}
	return answers, nil
}

// anyDigits refuses what is no code of any authenticator.
func (s *Service) anyDigits(ctx context.Context, k method.Kind, code string) (err error) {
	for digits := 6; digits <= 8; digits++ {
		decoy := method.Decoy(k)
		decoy.OATH.Digits = digits
		if _, err = s.d.Challenges.Prepare(ctx, decoy, code); err == nil {
			return nil
		}
	}
	return err
}

// tryHidden gives the challenge that the answer passed, nil when it was wrong.
// Only the kind's verifier says so.
func (s *Service) tryHidden(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow, now facts, k method.Kind, answers map[string]challenge.Answer) (*challenge.Challenge, error) {
	for _, m := range now.candidates(k) {
		answer, prepared := answers[m.ID]
		if !prepared {
			continue
		}
		var c challenge.Challenge
		var err error
		if challenge.Sends(k) {
			c, err = s.d.Challenges.Current(ctx, tx, f.ID, f.OrgID, f.AccountID, m.ID)
		} else {
			c, err = s.d.Challenges.Begin(ctx, tx, by, s.begin(f, now, m, nil))
		}
		if errors.Is(err, problem.New(problem.NotFound)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		result, err := s.d.Challenges.Pass(ctx, tx, by, now.org, c, answer)
		if err != nil {
			return nil, err
		}
		if result.Outcome == challenge.OutcomePassed {
			return &result.Challenge, nil
		}
	}
	return nil, nil
}

// hiddenWrong counts a wrong answer, as gateFailed and the verifiers' own counts
// do where there is a method.
func (s *Service) hiddenWrong(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, k method.Kind, v throttle.Verdict, r *Reply) error {
	r.Code, r.Left = problem.CodeWrong, v.Left
	e := s.event(*f, audit.ResetGateFailed, audit.Failure, string(problem.CodeWrong))
	e.MethodKind = string(k)
	if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
		return err
	}
	if v.Left == 0 {
		// The last try locks at once, as it does where there is a method.
		locked, err := s.d.Challenges.TakeHidden(ctx, tx, f.OrgID, s.subjectOf(*f), k, now.org.Policy.Throttle.Gate)
		if err != nil {
			return err
		}
		r.RetryAfter = locked.RetryAfter
		if locked.JustLocked {
			e := s.event(*f, audit.ResetBlocked, audit.Denied, "gate")
			e.MethodKind = string(k)
			if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
				return err
			}
		}
	}
	return s.gateFailed(ctx, tx, by, f, now, r)
}

// hiddenBlocked leaves a kind that takes no more answers: for another one, or for
// the dead end when all are blocked.
func (s *Service) hiddenBlocked(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, r *Reply) error {
	all, err := s.d.Challenges.HiddenBlocked(ctx, tx, f.OrgID, s.subjectOf(*f), now.org.Policy.Throttle.Gate)
	if err != nil {
		return err
	}
	first, free := time.Duration(0), false
	for _, k := range hiddenKinds(now.org) {
		v, tried := all[k]
		free = free || !tried || v.Allowed
		if tried && !v.Allowed && (first == 0 || v.RetryAfter < first) {
			first = v.RetryAfter
		}
	}
	if !free {
		return s.stop(ctx, tx, by, f, r, problem.Blocked, first)
	}
	f.State, f.MethodID, f.sentTo, f.sentAt = Choosing, "", "", time.Time{}
	return s.save(ctx, tx, *f)
}

// reveal makes a flow like any other after its first proof. What stands in the
// way of this account is said now.
func (s *Service) reveal(ctx context.Context, tx *store.Tx, by audit.Actor, f *Flow, now facts, passed challenge.Challenge, r *Reply) error {
	if err := s.d.Challenges.ReturnHidden(ctx, tx, f.OrgID, s.subjectOf(*f), passed.Kind); err != nil {
		return err
	}
	e := s.event(*f, audit.ResetGatePassed, audit.Success, "")
	e.MethodID, e.MethodKind = passed.MethodID, string(passed.Kind)
	if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
		return err
	}
	f.hidden, f.sentTo, f.sentAt = false, "", time.Time{}
	if err := s.save(ctx, tx, *f); err != nil {
		return err
	}
	fresh, _, err := s.now(ctx, tx, *f, now)
	if err != nil {
		return err
	}
	if code, no := refused(judge(fresh)); no {
		wait := time.Duration(0)
		if code == problem.Blocked {
			wait = fresh.wait()
		}
		return s.stop(ctx, tx, by, f, r, code, wait)
	}
	if err := s.gatePassed(ctx, tx, by, f, fresh, r); err != nil {
		return err
	}
	s.finish(f, fresh, nil, r)
	return nil
}
