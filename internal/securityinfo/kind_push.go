package securityinfo

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// push is the browser in which the person registers it. It is given a token of
// its own and proves by an answer that it kept it. A browser that is a device of
// the account already is refused.
var push = registrar{
	draft: func(_ context.Context, s *Service, f facts, _ Form) (Draft, error) {
		for _, m := range f.methods {
			if m.Usable() && m.ID != f.replaces && s.d.Methods.Holds(m, f.device) {
				return Draft{}, problem.New(problem.MethodDuplicate)
			}
		}
		m, token := s.d.Methods.NewDevice(f.org.ID, f.account.ID)
		return Draft{Method: m, Device: token}, nil
	},
}

// Device is what a browser is, by its tokens.
type Device struct {
	Methods  []method.Method // one for each account that it answers for
	Requests []Request       // that wait, the newest first
}

// Request is a request that waits on a device.
type Request struct {
	challenge.Request
	Org *org.Organization
}

// Device gives what a browser answers for, and what waits there now. It changes nothing.
func (s *Service) Device(ctx context.Context, tokens string) (Device, error) {
	var d Device
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if d.Methods, err = s.d.Methods.Devices(ctx, tx, tokens); err != nil {
			return err
		}
		waiting, err := s.d.Challenges.Waiting(ctx, tx, tokens)
		if err != nil {
			return err
		}
		for _, r := range waiting {
			o, err := s.d.Orgs.Get(ctx, tx, r.OrgID)
			if err != nil {
				return err
			}
			d.Requests = append(d.Requests, Request{r, o})
		}
		return nil
	})
	return d, err
}

// KeepDevice gives the tokens that a browser keeps when it gets a new one.
func (s *Service) KeepDevice(ctx context.Context, tokens, fresh string) (kept string, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		kept, err = s.d.Methods.KeepDevice(ctx, tx, tokens, fresh)
		return err
	})
	return kept, err
}

// Subscribe keeps where messages for a browser go, for every account that it
// answers for; an empty subscription: nowhere. Problems: BadInput, NotFound (the
// browser is no device).
func (s *Service) Subscribe(ctx context.Context, by audit.Actor, tokens, subscription string) error {
	to, reason := method.Subscription{}, "unsubscribed"
	if subscription != "" {
		var err error
		if to, err = method.ParseSubscription(subscription); err != nil {
			return err
		}
		reason = "subscribed"
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		devices, err := s.d.Methods.Devices(ctx, tx, tokens)
		if err != nil {
			return err
		}
		if len(devices) == 0 {
			return problem.New(problem.NotFound)
		}
		for _, m := range devices {
			if m.Subscription.Equal(to) {
				continue
			}
			if err := s.d.Methods.SetSubscription(ctx, tx, m, to); err != nil {
				return err
			}
			err := s.d.Audit.Record(ctx, tx, by, audit.Event{
				Kind: audit.MethodChanged, Org: m.OrgID, Target: m.AccountID, Outcome: audit.Success,
				Reason: reason, MethodID: m.ID, MethodKind: string(m.Kind),
			})
			if err != nil {
				return fmt.Errorf("subscribe device: %w", err)
			}
		}
		return nil
	})
}
