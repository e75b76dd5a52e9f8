package signin

import (
	"context"
	"slices"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// Ask is what an interrupt asks for.
type Ask string

// What is asked.
const (
	AskNothing  Ask = ""
	AskRegister Ask = "register" // become able to reset
	AskConfirm  Ask = "confirm"  // say that the methods are still right
)

// Interrupt is what stands between signing in and going on.
type Interrupt struct {
	Ask Ask
	// CanSkip tells that registering can be put off once more; SkipsLeft how often,
	// Until by when at the latest (zero: no last day).
	CanSkip   bool
	SkipsLeft int
	Until     time.Time
	// Outside tells that methods cannot be registered from where the person is:
	// going on costs nothing, and they are asked again next time.
	Outside bool
}

// Interrupt says what is asked of somebody now. It is a pure function of the
// policy, the account and its methods. The rules are those of Microsoft Entra's
// combined registration; putting off is bounded here by a number and by days. Whoever came in with a pass
// cannot put it off: the pass will not come back.
func (s Signed) Interrupt() Interrupt {
	if !s.resets() {
		return Interrupt{}
	}
	p, a := s.Org.Policy.Registration, s.Account
	if a.MustRegister || s.byPass() || p.RequiredAtSignIn && !s.registered() {
		i := Interrupt{Ask: AskRegister, SkipsLeft: max(p.SkipsAllowed-a.SkipsUsed, 0)}
		if p.SkipDays > 0 && !a.FirstAskedAt.IsZero() {
			i.Until = a.FirstAskedAt.Add(days(p.SkipDays))
		}
		i.CanSkip = !s.byPass() && i.SkipsLeft > 0 && (i.Until.IsZero() || s.Now.Before(i.Until))
		return i
	}
	last := a.ReconfirmedAt
	if a.RegisteredAt.After(last) {
		last = a.RegisteredAt
	}
	if p.RequiredAtSignIn && p.ReconfirmAfterDays > 0 && !last.IsZero() && !s.Now.Before(last.Add(days(p.ReconfirmAfterDays))) {
		return Interrupt{Ask: AskConfirm}
	}
	return Interrupt{}
}

// interruptFrom is Interrupt for somebody at an address.
func (s Signed) interruptFrom(ip string) Interrupt {
	i := s.Interrupt()
	if i.Ask == AskRegister && s.Session.PassID == "" && !s.Org.Policy.Registration.From(ip) {
		i.Outside, i.CanSkip = true, true
	}
	return i
}

// byPass tells whether a pass that an administrator issued is what let somebody
// in, and nothing was registered since: the pass is soon over, and what it stood
// in for is still lost.
func (s Signed) byPass() bool {
	if !s.OnPass() {
		return false
	}
	return !slices.ContainsFunc(s.Methods, func(m method.Method) bool {
		return m.Usable() && m.Kind != method.TemporaryAccessPass && m.ProvedAt.After(s.Session.FactorAt)
	})
}

// OnPass tells whether the session rests on a pass, and nothing of the person's
// own was proved in it since.
func (s Signed) OnPass() bool {
	return s.Session.PassID != "" && (s.Session.FactorID == "" || s.Session.FactorID == s.Session.PassID)
}

// pass is the pass that the session rests on; empty: none, or it is gone.
func (s Signed) pass() method.Method {
	for _, m := range s.Methods {
		if m.ID == s.Session.PassID && m.Kind == method.TemporaryAccessPass {
			return m
		}
	}
	return method.Method{}
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }

// registered tells whether the methods are enough for a reset, new ones included.
func (s Signed) registered() bool {
	return account.RequirementOf(s.Org, s.Account).Registered(s.Methods, s.Now)
}

// resets tells whether the account may reset at all, whatever it has registered:
// nobody else is asked to register for it.
func (s Signed) resets() bool {
	e, p := s.Account.Entry, s.Org.Policy
	return p.InScope(e.Groups) && e.Source == directory.Managed && (!e.Privileged || p.Reset.Privileged == org.PrivilegedTwoStrongGates)
}

// Asked gives what the interrupt's page shows. Ask is AskNothing when nothing is
// asked, or when it was answered in this session already.
func (s *Service) Asked(ctx context.Context, by audit.Actor, signed Signed) (Interrupt, error) {
	var answered bool
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		answered, err = selectAnswered(ctx, tx, signed.Session.ID)
		return err
	})
	if err != nil || Next(signed, answered) != StepInterrupt {
		return Interrupt{}, err
	}
	return signed.interruptFrom(by.IP), nil
}

// Skip puts registering off once more, once in a session however often it is
// sent. Problem RegisterNow: it cannot be put off any more.
func (s *Service) Skip(ctx context.Context, by audit.Actor, token string, signed Signed) error {
	return s.answer(ctx, token, signed, func(tx *store.Tx, now Signed) error {
		i := now.interruptFrom(by.IP)
		if i.Ask != AskRegister || i.Outside {
			return nil
		}
		if !i.CanSkip {
			return problem.New(problem.RegisterNow)
		}
		_, err := s.d.Accounts.Skip(ctx, tx, by, now.Org.ID, now.Account.ID, now.Org.Policy.Registration.SkipsAllowed)
		return err
	})
}

// LooksGood notes that the methods are still right. Problem RegisterNow: what is
// asked for is to register, which saying so does not do.
func (s *Service) LooksGood(ctx context.Context, by audit.Actor, token string, signed Signed) error {
	return s.answer(ctx, token, signed, func(tx *store.Tx, now Signed) error {
		switch now.Interrupt().Ask {
		case AskRegister:
			return problem.New(problem.RegisterNow)
		case AskNothing:
			return nil
		}
		return s.d.Accounts.MarkReconfirmed(ctx, tx, by, now.Org.ID, now.Account.ID)
	})
}

// answer does something once in a session.
func (s *Service) answer(ctx context.Context, token string, signed Signed, do func(tx *store.Tx, now Signed) error) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		now, err := s.again(ctx, tx, token, signed)
		if err != nil {
			return err
		}
		first, err := insertAnswered(ctx, tx, now.Session.ID)
		if err != nil || !first {
			return err
		}
		return do(tx, now)
	})
}
