package signin

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

var encoding = base64.RawURLEncoding

// perAddress bounds wrong passwords from one network, whoever they are for: the
// smart lockout of one account does not see one password tried on a thousand.
// A right password is given back, so that an office behind one address comes in
// however many its people are.
var perAddress = throttle.Limit{Limit: 200, Per: 10 * time.Minute}

// In is what became of a step that went well.
type In struct {
	// Token is the browser's new token.
	Token  string
	Signed Signed
	Step   Step // what comes next
}

// judged is a password with the directory's answer.
type judged struct {
	org     *org.Organization
	account account.Account // empty: there is none
	id      string          // of what is locked by wrong passwords
	result  directory.CheckResult
	wait    time.Duration // until the account's lock is over
	at      time.Time     // when the password came
	vouched *vouched      // what an identity provider says instead; nil: it is a password
}

// Password judges the password of a pending sign-in and begins the session.
// Problems: Required, SignInWrong, SignInLocked (our own directory), Blocked (the
// address), Busy, DirectoryUnavailable, DirectoryRefused; Disabled only for the
// right password.
func (s *Service) Password(ctx context.Context, by audit.Actor, token string, p Pending, pw string) (In, error) {
	if pw == "" {
		return In{}, problem.New(problem.Required).On("password")
	}
	if err := s.admit(ctx, by, p.Org); err != nil {
		return In{}, err
	}
	j, err := s.judge(ctx, p.Org, p.UserID, pw)
	if err != nil {
		return In{}, s.notJudged(ctx, by, err)
	}
	if err := s.refusal(ctx, by, j); err != nil {
		return In{}, quiet(p.Org, err)
	}
	return s.begin(ctx, by, token, j)
}

// quiet makes a lock that the directory keeps into a wrong password. Servers say
// that an account is locked whatever the password, and of accounts that exist
// alone: told, it would say to anybody who is there. The lock of our own directory
// is told; it comes for nobody as well.
func quiet(o *org.Organization, refused error) error {
	if locksItself(o) && problem.Has(refused, problem.SignInLocked) {
		return problem.New(problem.SignInWrong).On("password")
	}
	return refused
}

// locksItself tells whether the organization's directory counts wrong passwords at
// a threshold of its own.
func locksItself(o *org.Organization) bool { return o != nil && o.Directory.Kind != org.Embedded }

func (s *Service) addressKey(by audit.Actor) string {
	return "signin_address:" + hex.EncodeToString(s.d.Keys.Index("signin address", throttle.Network(by.IP)))
}

// admit counts the try before anything is judged.
func (s *Service) admit(ctx context.Context, by audit.Actor, o *org.Organization) error {
	var v throttle.Verdict
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if v, err = throttle.Take(ctx, tx, s.addressKey(by), perAddress); err != nil || !v.JustLocked {
			return err
		}
		e := audit.Event{Kind: audit.SignInLocked, Outcome: audit.Denied, Reason: "address"}
		if o != nil {
			e.Org = o.ID
		}
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	if err == nil && !v.Allowed {
		err = problem.New(problem.Blocked).After(v.RetryAfter)
	}
	return err
}

// notJudged gives the try back that no directory answered.
func (s *Service) notJudged(ctx context.Context, by audit.Actor, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error { return throttle.Return(ctx, tx, s.addressKey(by)) })
	if err != nil {
		s.d.Log.WarnContext(ctx, "a try was not given back", "error", err)
	}
	return cause
}

// judge asks the directory. No transaction is open.
func (s *Service) judge(ctx context.Context, o *org.Organization, userID, pw string) (judged, error) {
	j := judged{org: o, at: s.d.DB.Now()}
	if o == nil {
		err := s.nobody(ctx, &j, nil, userID, pw)
		return j, err
	}
	d, err := s.d.Accounts.Directory(o)
	if err != nil {
		return j, err
	}
	j.account, err = s.d.Accounts.Find(ctx, o, userID)
	switch {
	case problem.Has(err, problem.NotFound), err == nil && o.Directory.Kind == org.Embedded && !j.account.Entry.HasPassword:
		err = known(s.nobody(ctx, &j, d, userID, pw))
	case err == nil:
		err = s.ask(ctx, &j, d, pw)
	}
	return j, err
}

// ask judges the password of an account that has one.
func (s *Service) ask(ctx context.Context, j *judged, d directory.Directory, pw string) error {
	key := j.account.Entry.Key
	j.id = j.account.ID
	var err error
	if j.result, err = d.CheckPassword(ctx, key, pw); err != nil {
		return known(err)
	}
	if j.result.Right() {
		return nil
	}
	e, err := d.Get(ctx, key)
	if err != nil {
		return known(err)
	}
	j.wait = max(0, e.LockedUntil.Sub(s.d.DB.Now()))
	if j.result == directory.Locked && j.wait == 0 {
		j.wait = time.Duration(j.org.Policy.Lockout.Seconds) * time.Second
	}
	return nil
}

// known turns a directory's error into ours, and leaves what is ours alone.
func known(err error) error {
	if err == nil {
		return nil
	}
	if _, ours := problem.As(err); ours {
		return err
	}
	return account.Refusal(err, "sign in")
}

// refusal gives and records why the answer lets nobody in; nil when it does.
func (s *Service) refusal(ctx context.Context, by audit.Actor, j judged) error {
	var refused *problem.Error
	switch j.result {
	case directory.OK, directory.MustChange, directory.Expired:
		return nil
	case directory.Disabled:
		refused = problem.New(problem.Disabled)
	case directory.Locked:
		refused = problem.New(problem.SignInLocked).After(j.wait)
	default:
		refused = problem.New(problem.SignInWrong)
	}
	code := refused.Code
	if j.result == directory.Wrong && j.wait > 0 {
		// The one that locks says so, as the next one will: nobody tries again for that.
		refused = problem.New(problem.SignInLocked).After(j.wait)
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		e := j.event(audit.SignInFailed, audit.Failure, string(code))
		if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
			return err
		}
		if j.result == directory.Wrong && j.wait > 0 {
			return s.locked(ctx, tx, by, j)
		}
		if j.result.Right() {
			return throttle.Return(ctx, tx, s.addressKey(by))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return refused.On("password")
}

// locked records a lock once, however many wrong passwords find it set.
func (s *Service) locked(ctx context.Context, tx *store.Tx, by audit.Actor, j judged) error {
	once, err := throttle.Take(ctx, tx, "signin_locked:"+j.id, throttle.Limit{Limit: 1, Per: j.wait})
	if err != nil || !once.Allowed {
		return err
	}
	return s.d.Audit.Record(ctx, tx, by, j.event(audit.SignInLocked, audit.Denied, "password"))
}

// event names the account, where there is one: what was typed for nobody may be
// anything, a password even.
func (j judged) event(k audit.Kind, o audit.Outcome, reason string) audit.Event {
	e := audit.Event{Kind: k, Outcome: o, Reason: reason}
	if j.org != nil {
		e.Org = j.org.ID
	}
	if j.account.ID != "" {
		e.Target, e.TargetUserID = j.account.ID, j.account.Entry.UserID
	}
	return e
}

// begin makes the session of somebody whose password was right, or who comes from
// the identity provider. Its time is the one at which that came: a change of the
// password since then ends the session.
func (s *Service) begin(ctx context.Context, by audit.Actor, token string, j judged) (In, error) {
	var err error
	if j.account, err = s.d.Accounts.Settle(ctx, by, j.org, j.account); err != nil {
		return In{}, fmt.Errorf("begin session: %w", err)
	}
	in := In{Signed: Signed{Org: j.org, Account: j.account}}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		signed := &in.Signed
		if err := challenge.Lock(ctx, tx, j.org.ID, j.account.ID); err != nil {
			return err
		}
		if err := s.refresh(ctx, tx, signed); err != nil {
			return err
		}
		signed.Now = tx.Now()
		browser, fresh, err := s.d.Sessions.Open(ctx, tx, token)
		if err != nil {
			return err
		}
		in.Token = fresh
		level, proof, factor := session.Full, (*session.Vouched)(nil), "password"
		if v := j.vouched; v != nil {
			if err := s.bind(ctx, tx, signed.Actor(by), *signed, v); err != nil {
				return err
			}
			proof, factor = &v.proof, byProvider
		}
		if signed.HasFactor() && (proof == nil || !proof.Factor) {
			level = session.Partial
		}
		e := j.account.Entry
		signed.Session, err = s.d.Sessions.Begin(ctx, tx, browser.ID, session.Begin{
			OrgID: j.org.ID, AccountID: j.account.ID, UserID: e.UserID, Name: e.DisplayName, Level: level,
			MustChange: j.result != directory.OK, PasswordAt: j.at, Provider: proof,
		})
		if err != nil {
			return err
		}
		if v := j.vouched; v != nil {
			if err := s.keep(ctx, tx, *signed, v); err != nil {
				return err
			}
		}
		if err := throttle.Return(ctx, tx, s.addressKey(by)); err != nil {
			return err
		}
		if level == session.Full {
			if err := s.arrived(ctx, tx, signed.Actor(by), signed, factor, ""); err != nil {
				return err
			}
		}
		in.Step = Next(*signed, false)
		return nil
	})
	if err != nil {
		return In{}, fmt.Errorf("begin session: %w", err)
	}
	return in, nil
}

// arrived does what belongs to being signed in: the event, and what is known of
// the registration. Somebody whose methods have become enough elsewhere, by an
// account file for example, is registered from now on.
func (s *Service) arrived(ctx context.Context, tx *store.Tx, by audit.Actor, signed *Signed, factor, methodID string) error {
	orgID, accountID := signed.Org.ID, signed.Account.ID
	e := audit.Event{
		Kind: audit.SignInSucceeded, Org: orgID, Target: accountID, TargetUserID: signed.Account.Entry.UserID, Outcome: audit.Success,
		Detail: map[string]string{"factor": factor},
	}
	if methodID != "" {
		e.MethodID, e.MethodKind = methodID, factor
	}
	if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
		return err
	}
	if signed.registered() && signed.Account.RegisteredAt.IsZero() && !signed.Account.MustRegister {
		if err := s.d.Accounts.MarkRegistered(ctx, tx, by, orgID, accountID); err != nil {
			return err
		}
	}
	if signed.Interrupt().Ask == AskRegister {
		if err := s.d.Accounts.MarkAsked(ctx, tx, orgID, accountID); err != nil {
			return err
		}
	}
	return s.refresh(ctx, tx, signed)
}
