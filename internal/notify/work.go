package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"kunci.dev/kunci/internal/jobs"
	"kunci.dev/kunci/internal/store"
)

// work sends one message. It runs again after a crash: a message that is done
// is left alone, and one that may have been sent goes out under the same
// Message-ID. No transaction is open while the server is spoken to.
func (s *Service) work(ctx context.Context, j jobs.Job) error {
	var args job
	if err := json.Unmarshal(j.Payload, &args); err != nil {
		return jobs.Discard(fmt.Errorf("message job: %w", err))
	}
	var r row
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = selectRow(ctx, tx, args.ID)
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return jobs.Discard(errors.New("message job: no such message"))
	}
	if err != nil {
		return fmt.Errorf("message job: %w", err)
	}
	if r.state != Queued {
		return nil
	}
	if !r.expiresAt.IsZero() && !s.db.Now().Before(r.expiresAt) {
		return s.end(ctx, r, Expired, "too late")
	}
	err, unsendable := s.hand(ctx, r)
	switch {
	case unsendable != nil:
		return s.giveUp(ctx, r, unsendable)
	case err == nil:
		return s.end(ctx, r, Sent, "")
	case IsPermanent(err) || j.Last():
		return s.giveUp(ctx, r, err)
	}
	if noteErr := s.db.Write(ctx, func(tx *store.Tx) error { return note(ctx, tx, r.id, err.Error()) }); noteErr != nil {
		return errors.Join(err, noteErr)
	}
	return err
}

// hand gives a message to what carries it. The second error is for what no try can mend.
func (s *Service) hand(ctx context.Context, r row) (err, unsendable error) {
	if r.channel == ByMail {
		m, err := s.render(r)
		if err != nil {
			return nil, err
		}
		return s.sender.Send(ctx, m), nil
	}
	p, err := s.renderPhone(r)
	if err != nil {
		return nil, err
	}
	sender := s.phoneSender(r.channel)
	if sender == nil {
		return nil, errors.New("there is no gateway for it any more")
	}
	return sender.SendPhone(ctx, p), nil
}

// open gives a message's recipient and what it says.
func (s *Service) open(r row) (string, payload, Body, error) {
	to, err := s.keys.Open(r.recipient, boundTo("recipient", r))
	if err != nil {
		return "", payload{}, nil, errors.New("the recipient cannot be opened")
	}
	data, err := s.keys.Open(r.payload, boundTo("payload", r))
	if err != nil {
		return "", payload{}, nil, errors.New("the payload cannot be opened")
	}
	p, body, err := decode(data)
	if err != nil {
		return "", payload{}, nil, errors.New("the payload cannot be read")
	}
	return string(to), p, body, nil
}

// render opens a mail and writes it in its language.
func (s *Service) render(r row) (Mail, error) {
	to, p, body, err := s.open(r)
	if err != nil {
		return Mail{}, err
	}
	m, err := s.renderOwn(p, body)
	if err != nil && p.Own != nil {
		// Never no mail: what the organization wrote does not fit this version.
		s.log.Warn("the organization's own text cannot be used; the product's goes out", "message", r.id, "name", p.Own.Name, "organization", r.orgID)
		p.Own = nil
		m, err = s.renderOwn(p, body)
	}
	if err != nil {
		return Mail{}, err
	}
	m.To, m.Kind, m.MessageID, m.Date = to, r.kind, s.messageID(r), r.queuedAt
	return m, nil
}

func (s *Service) giveUp(ctx context.Context, r row, cause error) error {
	// What was decided must be kept although the node is stopping.
	ctx = context.WithoutCancel(ctx)
	if err := s.end(ctx, r, Failed, cause.Error()); err != nil {
		return err
	}
	s.log.Error("message given up", "message", r.id, "kind", r.kind, "organization", r.orgID, "error", cause)
	return jobs.Discard(cause)
}

func (s *Service) end(ctx context.Context, r row, state State, reason string) error {
	ctx = context.WithoutCancel(ctx)
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := finish(ctx, tx, r.id, state, reason)
		return err
	})
	if err != nil {
		return fmt.Errorf("message %s: %w", state, err)
	}
	if state == Expired {
		s.log.Warn("message expired unsent", "message", r.id, "kind", r.kind, "organization", r.orgID)
	}
	return nil
}
