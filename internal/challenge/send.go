package challenge

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// SendResult is what became of asking for a code.
type SendResult struct {
	// Sent is true also for kinds that need no message.
	Sent bool
	// Code says why Sent is false.
	Code problem.Code
	// RetryAfter is when to ask again where Sent is false; zero: asking again does not help.
	RetryAfter time.Duration
	// Challenge is as it is after sending.
	Challenge Challenge
}

// Send queues the code of a challenge. Asking again while the code lives repeats
// it; afterwards there is a new one. Too many sends are a result, so that the
// count is committed. Problems: CodeExpired (the challenge is over, begin another),
// Required (the number has to be typed first), SendOff (no gateway for the channel).
func (s *Service) Send(ctx context.Context, tx *store.Tx, by audit.Actor, in Start, c Challenge) (SendResult, error) {
	if in.Org == nil || in.Org.ID != c.OrgID || in.Account.ID != c.AccountID {
		return SendResult{}, errors.New("send code: the challenge is another account's")
	}
	if err := Lock(ctx, tx, c.OrgID, c.AccountID); err != nil {
		return SendResult{}, err
	}
	c, err := selectOne(ctx, tx, c.ID)
	if err != nil {
		return SendResult{}, fmt.Errorf("send code: %w", err)
	}
	if c.State != Open {
		return SendResult{}, problem.New(problem.CodeExpired)
	}
	if !Sends(c.Kind) {
		return SendResult{Sent: true, Challenge: c}, nil
	}
	m, err := s.methods.Get(ctx, tx, c.OrgID, c.AccountID, c.MethodID)
	if err != nil {
		return SendResult{}, err
	}
	if !serves(m, c.Purpose) {
		return SendResult{}, problem.New(problem.MethodNotAllowed).On("method")
	}
	if c.Kind == method.AuthenticatorPush {
		return s.ask(ctx, tx, by, in, c, m)
	}
	if phone(c.Kind) {
		if c.Channel, err = channelOf(in, c); err != nil {
			return SendResult{}, err
		}
		refused, err := s.phoneRefusal(ctx, tx, by, in, c, m)
		if err != nil || refused.Code != "" {
			return refused, err
		}
	}
	verdict, err := s.takeSends(ctx, tx, by, c, s.sendBudgets(in.Org, c, m))
	if err != nil {
		return SendResult{}, err
	}
	if !verdict.Allowed {
		return SendResult{Code: problem.SendLimit, RetryAfter: verdict.RetryAfter, Challenge: c}, nil
	}
	if err := s.renew(ctx, tx, in, &c); err != nil {
		return SendResult{}, err
	}
	if err := s.countPhone(ctx, tx, &c); err != nil {
		return SendResult{}, err
	}
	c.MessageID, err = s.messages.Queue(ctx, tx, notify.Message{
		Org: in.Org, AccountID: c.AccountID, To: m.Value, Channel: c.Channel, Lang: in.Lang, ExpiresAt: c.ExpiresAt,
		Key: "code:" + c.ID + ":" + strconv.FormatInt(store.Micros(tx.Now()), 10),
		Body: notify.Code{
			Purpose: string(c.Purpose), Code: s.code(c), Minutes: c.MinutesLeft(tx.Now(), in.Org.Policy.Codes.Minutes),
			UserID: in.Account.Entry.UserID, IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: tx.Now(),
		},
	})
	if err != nil {
		return SendResult{}, fmt.Errorf("send code: %w", err)
	}
	if n, err := updateSent(ctx, tx, c); err != nil || n != 1 {
		return SendResult{}, fmt.Errorf("send code: %d rows: %w", n, err)
	}
	return SendResult{Sent: true, Challenge: c}, nil
}

// renew gives the challenge a code when it has none that lives: the one that lives
// for another flow or session, else a new one. So a method has one code at a time
// for each purpose, whoever asked for it, and whoever reads two messages finds the
// same in both. The minutes of a code begin when it is first sent.
func (s *Service) renew(ctx context.Context, tx *store.Tx, in Start, c *Challenge) error {
	lives := !c.SentAt.IsZero() && c.ExpiresAt.After(tx.Now())
	c.SentAt = tx.Now()
	if lives {
		return nil
	}
	other, err := selectLiveCode(ctx, tx, *c)
	if err == nil {
		c.nonce, c.digits, c.ExpiresAt, c.countedAt = other.nonce, other.digits, other.ExpiresAt, other.countedAt
		return nil
	}
	if !errors.Is(err, store.ErrNoRows) {
		return fmt.Errorf("send code: %w", err)
	}
	if c.nonce, err = newNonce(); err != nil {
		return err
	}
	c.digits, c.countedAt = in.Org.Policy.Codes.Digits, time.Time{}
	c.ExpiresAt = tx.Now().Add(time.Duration(in.Org.Policy.Codes.Minutes) * time.Minute)
	return nil
}

// MinutesLeft is how long the code that was sent is good for, in minutes begun;
// otherwise is what a new one will be.
func (c Challenge) MinutesLeft(now time.Time, otherwise int) int {
	left := c.ExpiresAt.Sub(now)
	if c.SentAt.IsZero() || left <= 0 {
		return otherwise
	}
	return min(int((left+time.Minute-1)/time.Minute), otherwise)
}

// code derives the digits of a challenge. What it proves goes in, so that a row
// cannot be bent to another purpose, account or method; who asked for it does not:
// other flows and sessions that ask while it lives share it.
func (s *Service) code(c Challenge) string {
	return s.keys.Code("challenge "+string(c.Purpose), c.digits, c.nonce,
		[]byte(c.OrgID), []byte(c.AccountID), []byte(c.MethodID))
}
