package challenge

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// Every text and every call costs money, and fraud earns it by having them sent
// ("pumping"). Besides the policy's limits per method and per account these
// hold, and no policy can raise them:
const (
	// numberPerDay is to one number, whoever asks, over all organizations of the installation.
	numberPerDay = 10
	// orgPerDay is to all numbers of one organization.
	orgPerDay = 5000
	// The breaker looks at the codes that were sent in the last breakerWindow and
	// had their minutes (breakerSettle). When there are breakerSends of them and
	// fewer than breakerPercent in a hundred were used, the organization's texts
	// and calls pause for breakerPause, and what was sent before is not looked at again.
	breakerWindow  = 6 * time.Hour
	breakerSettle  = 10 * time.Minute
	breakerSends   = 50
	breakerPercent = 20
	breakerPause   = time.Hour
	// slotLength is how finely sends are counted.
	slotLength = 5 * time.Minute
)

const day = 24 * time.Hour

func phone(k method.Kind) bool { return k.Class() == method.PhoneLine }

// OutcomeTyped is the outcome of a right destination: a code may be sent now.
// It proves nothing.
const OutcomeTyped Outcome = "typed"

// NeedsDestination tells whether the person has to type the whole number
// before anything is sent: at a reset, where nothing else is known of them.
// Otherwise anybody who knows a user ID could have phones ring.
func (c Challenge) NeedsDestination() bool {
	return phone(c.Kind) && c.Purpose == Reset && c.TypedAt.IsZero()
}

// Destination judges the number that a person typed before anything is sent. A
// wrong one is counted and judged exactly as a wrong code of the same method;
// commit whatever the result is. Problem PhoneInvalid: no number at all, so
// nothing was compared or counted.
func (s *Service) Destination(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, ch Challenge, typed string) (Result, error) {
	if o == nil || o.ID != ch.OrgID {
		return Result{}, errors.New("judge destination: the challenge is another organization's")
	}
	c, m, over, err := s.judgeable(ctx, tx, ch)
	if err != nil || over != nil {
		return deref(over), err
	}
	if !phone(m.Kind) {
		return Result{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	same, err := method.SamePhone(m.Value, typed)
	if err != nil {
		return Result{}, err
	}
	verdict, err := s.count(ctx, tx, by, o, c)
	if err != nil {
		return Result{}, err
	}
	if !verdict.Allowed {
		return Result{Outcome: OutcomeBlocked, Code: problem.Blocked, RetryAfter: verdict.RetryAfter, Challenge: c}, nil
	}
	if !same {
		return s.wrong(ctx, tx, by, o, c, m, verdict, problem.DestinationWrong)
	}
	if err := s.giveBack(ctx, tx, c); err != nil {
		return Result{}, err
	}
	if err := updateTyped(ctx, tx, c.ID); err != nil {
		return Result{}, fmt.Errorf("judge destination: %w", err)
	}
	c.TypedAt = tx.Now()
	return Result{Outcome: OutcomeTyped, Challenge: c}, nil
}

// channelOf says how a code goes to a phone: as asked, else as it went before,
// else by text where a text can be sent. Problem SendOff.
func channelOf(in Start, c Challenge) (notify.Channel, error) {
	has := in.Org.Channels
	channel := cmp.Or(in.Channel, c.Channel)
	switch {
	case c.Kind == method.OfficePhone:
		channel = notify.ByCall
	case channel == "" && has.Text:
		channel = notify.ByText
	case channel == "":
		channel = notify.ByCall
	}
	if channel == notify.ByText && has.Text || channel == notify.ByCall && has.Call {
		return channel, nil
	}
	return "", problem.New(problem.SendOff).On("channel")
}

// phoneRefusal says why no code goes to a phone now; Code is empty when one may.
func (s *Service) phoneRefusal(ctx context.Context, tx *store.Tx, by audit.Actor, in Start, c Challenge, m method.Method) (SendResult, error) {
	if c.NeedsDestination() {
		return SendResult{}, problem.New(problem.Required).On("destination")
	}
	if !method.PhoneAllowed(m.Value, in.Org.Policy.Phone.Countries) {
		return SendResult{Code: problem.PhoneCountry, Challenge: c}, nil
	}
	until, err := s.paused(ctx, tx, by, in.Org, c)
	if err != nil || until.IsZero() {
		return SendResult{}, err
	}
	return SendResult{Code: problem.SendPaused, RetryAfter: until.Sub(tx.Now()), Challenge: c}, nil
}

// budget is one limit a message falls under.
type budget struct {
	key    string
	limit  throttle.Limit
	reason string // in the event when it runs out; empty: that is no event
}

// sendBudgets are the limits of one message, in the order in which every
// transaction takes them.
func (s *Service) sendBudgets(o *org.Organization, c Challenge, m method.Method) []budget {
	t := o.Policy.Throttle
	if !phone(c.Kind) {
		return []budget{{sendKey(c), t.EmailSends, "email_sends"}}
	}
	number, _ := method.SplitPhone(m.Value)
	return []budget{
		{phoneSendPrefix(c.OrgID, c.AccountID) + c.MethodID, t.PhoneSends, "phone_sends"},
		{"phone_day:" + c.OrgID + ":" + c.AccountID, throttle.Limit{Limit: o.Policy.Phone.PerDay, Per: day}, "phone_per_day"},
		{"phone_number:" + hex.EncodeToString(s.keys.Index("phone number", number)[:16]), throttle.Limit{Limit: numberPerDay, Per: day}, "phone_number"},
		{"phone_org:" + c.OrgID, throttle.Limit{Limit: orgPerDay, Per: day}, "phone_organization"},
	}
}

// takeSends counts a message against every limit. What a refusal of one makes
// useless is given back to the others.
func (s *Service) takeSends(ctx context.Context, tx *store.Tx, by audit.Actor, c Challenge, budgets []budget) (throttle.Verdict, error) {
	var verdict throttle.Verdict
	for i, b := range budgets {
		var err error
		if verdict, err = throttle.Take(ctx, tx, b.key, b.limit); err != nil {
			return verdict, err
		}
		if verdict.Allowed {
			continue
		}
		for _, taken := range budgets[:i] {
			if err := throttle.Return(ctx, tx, taken.key); err != nil {
				return verdict, err
			}
		}
		if verdict.JustLocked && b.reason != "" {
			return verdict, s.locked(ctx, tx, by, c, b.reason)
		}
		return verdict, nil
	}
	return verdict, nil
}

// countPhone counts a code that goes to a phone, once however often it is sent again.
func (s *Service) countPhone(ctx context.Context, tx *store.Tx, c *Challenge) error {
	if !phone(c.Kind) || !c.countedAt.IsZero() {
		return nil
	}
	c.countedAt = tx.Now()
	if err := addSent(ctx, tx, c.OrgID, slotOf(c.countedAt)); err != nil {
		return fmt.Errorf("count sent codes: %w", err)
	}
	return nil
}

// usedPhone counts a code that went to a phone and was used, where it was sent.
func (s *Service) usedPhone(ctx context.Context, tx *store.Tx, c Challenge) error {
	if !phone(c.Kind) || c.countedAt.IsZero() {
		return nil
	}
	if err := addPassed(ctx, tx, c.OrgID, slotOf(c.countedAt)); err != nil {
		return fmt.Errorf("count used codes: %w", err)
	}
	return nil
}

func slotOf(t time.Time) int64 { return t.Unix() / int64(slotLength.Seconds()) }

// paused tells until when the organization's texts and calls pause; zero: they
// do not. It starts the pause when too few codes were used, and tells support, once.
func (s *Service) paused(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge) (time.Time, error) {
	until, err := selectPause(ctx, tx, o.ID)
	if err != nil {
		return until, fmt.Errorf("pause of texts: %w", err)
	}
	if until.After(tx.Now()) {
		return until, nil
	}
	from := tx.Now().Add(-breakerWindow)
	if until.After(from) {
		from = until
	}
	first, last := slotOf(from.Add(slotLength-1)), slotOf(tx.Now().Add(-breakerSettle))
	sent, passed, err := sumPhones(ctx, tx, o.ID, first, last)
	if err != nil {
		return until, fmt.Errorf("pause of texts: %w", err)
	}
	if sent < breakerSends || passed*100 >= sent*breakerPercent {
		return time.Time{}, nil
	}
	until = tx.Now().Add(breakerPause)
	fresh, err := upsertPause(ctx, tx, o.ID, until)
	if err != nil || !fresh {
		return until, err
	}
	return until, s.tellPaused(ctx, tx, by, o, c, notify.PhoneNotice{Sent: sent, Passed: passed, Until: until})
}

func (s *Service) tellPaused(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, c Challenge, notice notify.PhoneNotice) error {
	if err := s.locked(ctx, tx, by, c, "phone_completion"); err != nil {
		return err
	}
	if o.Support.Email == "" {
		return nil
	}
	_, err := s.messages.Queue(ctx, tx, notify.Message{
		Org: o, To: o.Support.Email, Key: fmt.Sprintf("phones paused:%d", store.Micros(notice.Until)), Body: notice,
	})
	if err != nil {
		return fmt.Errorf("tell about paused texts: %w", err)
	}
	return nil
}
