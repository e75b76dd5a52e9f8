package securityinfo

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// confirmedReason stands in the event when a person proved what the organization
// entered for them, declinedReason when they deleted it instead.
const (
	confirmedReason = "confirmed"
	declinedReason  = "declined"
)

// given tells whether the organization entered a method and its person has not
// said yet that it is theirs. It counts meanwhile.
func given(m method.Method) bool { return m.Given() && m.DisabledAt.IsZero() }

// reachable tells whether a code can be sent to a method now: without one nobody
// can prove that it is theirs.
func (f facts) reachable(m method.Method) bool {
	return f.org.Offers(m.Kind) && (m.Kind.Class() != method.PhoneLine || method.PhoneAllowed(m.Value, f.org.Policy.Phone.Countries))
}

// justProved tells whether the session's own second factor is this method, proved
// lately: then a second code would prove nothing more.
func (s *Service) justProved(f facts, m method.Method) bool {
	age := f.now.Sub(f.session.FactorAt)
	return f.session.FactorID == m.ID && !f.session.FactorAt.IsZero() && age >= 0 && age < s.d.FreshFor
}

// Given is a method that the organization entered, on its way to be its person's.
type Given struct {
	Method    method.Method
	Challenge challenge.Challenge // zero: none is open
	Progress  notify.Progress     // of the message with its code; zero: none was sent, or nobody knows
}

// Given gives the state of confirming a method. Problem NotFound: it is none that
// the organization entered, or it is confirmed already.
func (s *Service) Given(ctx context.Context, who Who, id string) (Given, error) {
	var g Given
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		if g.Method, err = f.given(id); err != nil {
			return err
		}
		if g.Challenge, err = s.current(ctx, tx, f, g.Method); problem.Has(err, problem.NotFound) {
			return nil
		}
		if err == nil && g.Challenge.MessageID != "" && s.d.Deliveries != nil {
			g.Progress, err = s.d.Deliveries.Progress(ctx, tx, g.Challenge.MessageID)
		}
		if problem.Has(err, problem.NotFound) {
			return nil
		}
		return err
	})
	return g, err
}

func (f facts) given(id string) (method.Method, error) {
	m, err := f.proved(id)
	if err == nil && !given(m) {
		err = problem.New(problem.NotFound)
	}
	return m, err
}

// Claim begins to confirm that a method which the organization entered is the
// person's: it sends the code, or the code that lives again. A method that the
// person signed in with just now needs none and is theirs at once (Claimed).
// Problems: StepUp, SignedOut, RegisterElsewhere, NotFound (see Given), SendOff. Refused: SendLimit,
// SendPaused, PhoneCountry.
func (s *Service) Claim(ctx context.Context, by audit.Actor, who Who, id, lang string, form Form) (reply Reply, claimed bool, err error) {
	err = s.on(ctx, who, id, func(tx *store.Tx, f facts, _ method.Method) error {
		reply, claimed = Reply{}, false
		if err := f.inside(); err != nil {
			return err
		}
		m, err := f.given(id)
		if err != nil {
			return err
		}
		reply.Method = m
		if s.justProved(f, m) {
			claimed = true
			return s.claimed(ctx, tx, by, f, m)
		}
		return s.send(ctx, tx, by, f, m, lang, form.channel(), &reply)
	})
	return reply, claimed, err
}

// Claimed judges the code that proves it. Problems: StepUp, SignedOut, RegisterElsewhere, NotFound
// (see Given; a second press of the button is not one), CodeFormat, Busy. Refused:
// CodeWrong, CodeExpired, Blocked.
func (s *Service) Claimed(ctx context.Context, by audit.Actor, who Who, id, code string) (Reply, error) {
	g, err := s.Given(ctx, who, id)
	if problem.Has(err, problem.NotFound) {
		return s.alreadyMine(ctx, who, id)
	}
	if err != nil {
		return Reply{}, err
	}
	answer, err := s.d.Challenges.Prepare(ctx, g.Method, code)
	if err != nil {
		return Reply{}, err
	}
	var reply Reply
	mine := false
	err = s.on(ctx, who, id, func(tx *store.Tx, f facts, m method.Method) error {
		reply, mine = Reply{Method: m}, !given(m)
		if mine {
			return nil
		}
		if err := f.inside(); err != nil {
			return err
		}
		c, err := s.current(ctx, tx, f, m)
		if passed, err := s.passed(ctx, tx, by, f, c, err, answer, &reply); !passed {
			return err
		}
		return s.claimed(ctx, tx, by, f, m)
	})
	if err == nil && mine {
		return s.alreadyMine(ctx, who, id)
	}
	return reply, err
}

// alreadyMine answers the second press of a button like the first. Problem NotFound
// where the method is none of the person's that came from the organization.
func (s *Service) alreadyMine(ctx context.Context, who Who, id string) (Reply, error) {
	var reply Reply
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.read(ctx, tx, who)
		if err != nil {
			return err
		}
		reply.Method, err = f.proved(id)
		if err == nil && (reply.Method.ProvedBy != method.ByPerson || reply.Method.Owner != "") {
			err = problem.New(problem.NotFound)
		}
		return err
	})
	return reply, err
}

// claimed makes the method its person's. It counted before and goes on counting:
// nothing begins to wait.
func (s *Service) claimed(ctx context.Context, tx *store.Tx, by audit.Actor, f facts, m method.Method) error {
	if err := s.d.Methods.Confirm(ctx, tx, f.org.ID, f.account.ID, m.ID); err != nil {
		return err
	}
	if err := s.record(ctx, tx, by, f, m, audit.MethodChanged, confirmedReason, nil); err != nil {
		return err
	}
	if err := s.tell(ctx, tx, by, f, notice{action: confirmedAction, about: m, to: addresses(f.methods, m.ID)}); err != nil {
		return err
	}
	if (f.account.RegisteredAt.IsZero() || f.account.MustRegister) && f.need.Registered(f.methods, f.now) {
		return s.d.Accounts.MarkRegistered(ctx, tx, by, f.org.ID, f.account.ID)
	}
	return nil
}

// WaitingFor gives those of a person's methods that the organization entered and
// nobody confirmed, in the order of the list.
func WaitingFor(all []method.Method) []method.Method {
	var waiting []method.Method
	for _, m := range all {
		if given(m) {
			waiting = append(waiting, m)
		}
	}
	return waiting
}
