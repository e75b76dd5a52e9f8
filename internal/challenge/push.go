package challenge

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

// A request on a device shows no button to agree with: whoever answers types
// the number that stands where the request was made. These hold, and no policy
// can raise them; requests that nobody asked for tire people into answering.
const (
	// PushLife is how long a request waits for its answer.
	PushLife = 2 * time.Minute
	// pushTries is how many wrong numbers end a request.
	pushTries = 3
	// pushPause is how long after one request the next may be made at the same door.
	pushPause = time.Minute
	// pushPerHour is how many requests an account gets from one door.
	pushPerHour = 10
	// collectFor is how long an answered request can be redeemed where it was made.
	collectFor = 2 * time.Minute
)

// Pushes tells a device, in the caller's transaction, that a request waits. What
// is sent says no more than that.
type Pushes interface {
	Push(ctx context.Context, tx *store.Tx, m method.Method, lang string, until time.Time) error
}

// Request is a request that waits on a device.
type Request struct {
	Challenge
	IP, Browser string // of whoever asks
	UserID      string // of the account
}

// asker is who asks, as it is sealed in the row.
type asker struct {
	IP      string `json:"ip,omitempty"`
	Browser string `json:"ua,omitempty"`
	UserID  string `json:"user,omitempty"`
}

func (c Challenge) askedIn() string {
	return "challenge asked|" + c.OrgID + "|" + c.AccountID + "|" + c.ID
}

// waits tells whether a request takes an answer now.
func (c Challenge) waits(now time.Time) bool {
	return c.Kind == method.AuthenticatorPush && c.State == Open && !c.SentAt.IsZero() && c.ExpiresAt.After(now)
}

// Number is what the page shows where a request was made, and nothing else does;
// empty when no request waits.
func (s *Service) Number(c Challenge, now time.Time) string {
	if !c.waits(now) {
		return ""
	}
	return s.number(c)
}

// number is derived like a code. It never begins with 0, which people leave out.
// Of twelve digits the bias of the remainder is below one in ten thousand millions.
func (s *Service) number(c Challenge) string {
	c.digits = 12
	n, err := strconv.ParseUint(s.code(c), 10, 64)
	if err != nil {
		panic("challenge: a code is digits") // what Keyset.Code promises
	}
	return strconv.FormatUint(10+n%90, 10)
}

// refusePush keeps a number that was typed elsewhere than on the device from
// being an answer.
func refusePush(*Service, context.Context, method.Method, string) (Answer, error) {
	return Answer{}, problem.New(problem.MethodNotAllowed).On("method")
}

// PrepareDevice reads the answer that came from a browser with these tokens.
// Problems: CodeFormat (no two digits; not counted), MethodNotAllowed.
func (s *Service) PrepareDevice(m method.Method, tokens, typed string) (Answer, error) {
	if m.Kind != method.AuthenticatorPush {
		return Answer{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	number, err := digitsOf(typed, 2, 2)
	if err != nil {
		return Answer{}, err
	}
	return Answer{kind: m.Kind, method: m.ID, digits: number, device: s.methods.Holds(m, tokens)}, nil
}

// judgePush wants the number and the device: one without the other is wrong.
func judgePush(s *Service, _ context.Context, tx *store.Tx, c Challenge, _ method.Method, a Answer) (problem.Code, error) {
	right := subtle.ConstantTimeCompare([]byte(s.number(c)), []byte(a.digits)) == 1
	if !right || !a.device || !c.waits(tx.Now()) {
		return problem.CodeWrong, nil
	}
	return "", nil
}

// yields is how long a request that waits keeps another one from being made;
// zero: the other one ends it. Resets can be begun by anybody: they end no request
// to sign in, and one another's only after the pause.
func yields(p Purpose, waiting Challenge, now time.Time) time.Duration {
	switch {
	case p != Reset || !waiting.waits(now):
		return 0
	case waiting.Purpose != Reset:
		return waiting.ExpiresAt.Sub(now)
	}
	return waiting.SentAt.Add(pushPause).Sub(now)
}

// clear ends what waits on other devices of the account: a person has one
// request to think about. It gives how long to wait where it must not.
func (s *Service) clear(ctx context.Context, tx *store.Tx, c Challenge) (time.Duration, error) {
	open, err := selectRequests(ctx, tx, c.OrgID, c.AccountID)
	if err != nil {
		return 0, fmt.Errorf("waiting requests: %w", err)
	}
	for _, other := range open {
		if other.ID == c.ID {
			continue
		}
		if wait := yields(c.Purpose, other, tx.Now()); wait > 0 {
			return wait, nil
		}
		if err := end(ctx, tx, other.ID); err != nil {
			return 0, fmt.Errorf("end request: %w", err)
		}
	}
	return 0, nil
}

// pushFailed counts a wrong number; the last one that is allowed ends the
// request. It gives how many are left.
func (s *Service) pushFailed(ctx context.Context, tx *store.Tx, c Challenge) (int, error) {
	tries, err := updateTries(ctx, tx, c.ID)
	if err != nil {
		return 0, fmt.Errorf("count wrong number: %w", err)
	}
	if tries < pushTries {
		return pushTries - tries, nil
	}
	if err := end(ctx, tx, c.ID); err != nil {
		return 0, fmt.Errorf("end request: %w", err)
	}
	return 0, nil
}

// ask makes a request wait on its device. Asking again while it waits shows the
// same number.
func (s *Service) ask(ctx context.Context, tx *store.Tx, by audit.Actor, in Start, c Challenge, m method.Method) (SendResult, error) {
	if c.Purpose != Register {
		if wait, err := s.clear(ctx, tx, c); err != nil || wait > 0 {
			return SendResult{Code: problem.SendLimit, RetryAfter: wait, Challenge: c}, err
		}
		verdict, err := s.takeSends(ctx, tx, by, c, pushBudgets(c))
		if err != nil {
			return SendResult{}, err
		}
		if !verdict.Allowed {
			return SendResult{Code: problem.SendLimit, RetryAfter: verdict.RetryAfter, Challenge: c}, nil
		}
	}
	if !c.waits(tx.Now()) {
		nonce, err := newNonce()
		if err != nil {
			return SendResult{}, err
		}
		c.nonce, c.ExpiresAt, c.tries = nonce, tx.Now().Add(PushLife), 0
		if c.Purpose == Register {
			c.ExpiresAt = tx.Now().Add(Life)
		}
	}
	c.SentAt = tx.Now()
	said, err := json.Marshal(asker{IP: by.IP, Browser: by.UserAgent, UserID: in.Account.Entry.UserID})
	if err != nil {
		return SendResult{}, fmt.Errorf("ask device: %w", err)
	}
	sealed, err := s.keys.Seal(said, c.askedIn())
	if err != nil {
		return SendResult{}, fmt.Errorf("ask device: %w", err)
	}
	if n, err := updateAsked(ctx, tx, c, sealed); err != nil || n != 1 {
		return SendResult{}, fmt.Errorf("ask device: %d rows: %w", n, err)
	}
	if c.Purpose != Register && m.Subscribed() && s.pushes != nil {
		if err := s.pushes.Push(ctx, tx, m, cmp.Or(in.Lang, in.Org.Language), c.ExpiresAt); err != nil {
			return SendResult{}, fmt.Errorf("ask device: %w", err)
		}
	}
	return SendResult{Sent: true, Challenge: c}, nil
}

// pushBudgets are the limits of a request. Resets, which anybody can start, have
// their own, so that they keep nobody from signing in.
func pushBudgets(c Challenge) []budget {
	door := string(Reset)
	if c.Purpose != Reset {
		door = string(SignIn)
	}
	prefix := pushSendPrefix(c.OrgID, c.AccountID)
	return []budget{
		{prefix + "pause:" + door, throttle.Limit{Limit: 1, Per: pushPause}, ""},
		{prefix + "hour:" + door, throttle.Limit{Limit: pushPerHour, Per: time.Hour}, "push_sends"},
	}
}

// Waiting gives the requests that wait on the devices that a browser is, the
// newest first. It changes nothing.
func (s *Service) Waiting(ctx context.Context, tx *store.Tx, tokens string) ([]Request, error) {
	devices, err := s.methods.Devices(ctx, tx, tokens)
	if err != nil {
		return nil, err
	}
	var all []Request
	for _, m := range devices {
		r, err := s.request(ctx, tx, m)
		if errors.Is(err, store.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("waiting requests: %w", err)
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Request) int { return b.SentAt.Compare(a.SentAt) })
	return all, nil
}

// WaitingFor is Waiting for one request. Problem NotFound: it waits no more, or
// on none of the browser's devices.
func (s *Service) WaitingFor(ctx context.Context, tx *store.Tx, tokens, id string) (Request, error) {
	all, err := s.Waiting(ctx, tx, tokens)
	if err != nil {
		return Request{}, err
	}
	for _, r := range all {
		if r.ID == id {
			return r, nil
		}
	}
	return Request{}, problem.New(problem.NotFound)
}

func (s *Service) request(ctx context.Context, tx *store.Tx, m method.Method) (Request, error) {
	c, err := selectAsking(ctx, tx, m.OrgID, m.AccountID, m.ID)
	if err != nil {
		return Request{}, err
	}
	if !c.waits(tx.Now()) || c.Purpose == Register || !serves(m, c.Purpose) {
		return Request{}, store.ErrNoRows
	}
	plain, err := s.keys.Open(c.asked, c.askedIn())
	if err != nil {
		return Request{}, err
	}
	var said asker
	if err := json.Unmarshal(plain, &said); err != nil {
		return Request{}, errors.New("a request is damaged")
	}
	return Request{c, said.IP, said.Browser, said.UserID}, nil
}

// Answered gives the owner's request on a method that was answered rightly and
// not redeemed. Problem NotFound.
func (s *Service) Answered(ctx context.Context, tx *store.Tx, owner, methodID string, p Purpose) (Challenge, error) {
	passed, err := s.Passed(ctx, tx, owner)
	if err != nil {
		return Challenge{}, err
	}
	for _, c := range passed {
		if c.Kind == method.AuthenticatorPush && c.MethodID == methodID && c.Purpose == p && tx.Now().Sub(c.PassedAt) < collectFor {
			return c, nil
		}
	}
	return Challenge{}, problem.New(problem.NotFound)
}

// Redeem takes an answered request, once. The caller holds the account's lock.
// Problem NotFound.
func (s *Service) Redeem(ctx context.Context, tx *store.Tx, owner, methodID string, p Purpose) (Challenge, error) {
	c, err := s.Answered(ctx, tx, owner, methodID, p)
	if err != nil {
		return c, err
	}
	n, err := updateRedeemed(ctx, tx, c.ID)
	if err != nil {
		return c, fmt.Errorf("redeem answer: %w", err)
	}
	if n != 1 {
		return c, problem.New(problem.NotFound)
	}
	return c, nil
}
