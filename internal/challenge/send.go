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
	if err := s.renew(tx, in, &c); err != nil {
		return SendResult{}, err
	}
	if err := s.countPhone(ctx, tx, &c); err != nil {
		return SendResult{}, err
	}
	c.MessageID, err = s.messages.Queue(ctx, tx, notify.Message{
		Org: in.Org, AccountID: c.AccountID, To: m.Value, Channel: c.Channel, Lang: in.Lang, ExpiresAt: c.ExpiresAt,
		Key: "code:" + c.ID + ":" + strconv.FormatInt(store.Micros(tx.Now()), 10),
		Body: notify.Code{
			Purpose: string(c.Purpose), Code: s.code(c), Minutes: in.Org.Policy.Codes.Minutes,
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

// renew gives the challenge a new code when it has none that lives. The minutes
// of a code begin when it is first sent.
func (s *Service) renew(tx *store.Tx, in Start, c *Challenge) error {
	if c.SentAt.IsZero() || !c.ExpiresAt.After(tx.Now()) {
		nonce, err := newNonce()
		if err != nil {
			return err
		}
		c.countedAt = time.Time{}
		c.nonce, c.digits = nonce, in.Org.Policy.Codes.Digits
		c.ExpiresAt = tx.Now().Add(time.Duration(in.Org.Policy.Codes.Minutes) * time.Minute)
	}
	c.SentAt = tx.Now()
	return nil
}

// code derives the digits of a challenge. Everything it is bound to goes in, so
// that a row cannot be bent to another purpose or account.
func (s *Service) code(c Challenge) string {
	return s.keys.Code("challenge "+string(c.Purpose), c.digits, c.nonce,
		[]byte(c.ID), []byte(c.OrgID), []byte(c.AccountID), []byte(c.MethodID), []byte(c.Owner))
}
