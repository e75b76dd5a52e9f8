package reset

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// DisputeLife is how long a "this wasn't me" link works.
const DisputeLife = 30 * 24 * time.Hour

// DisputePath is where the links lead; the token follows.
const DisputePath = "/reset/dispute/"

// Dispute is what a "this wasn't me" link is about.
type Dispute struct {
	OrgID, AccountID string
	UserID           string
	Org              *org.Organization
	UsedAt           time.Time // zero: not said yet

	flowID string
}

// DisputeLink makes the "this wasn't me" link of a notice, whoever changed the
// password or unlocked the account. id names the change: the reset's flow, or
// one that is made for it.
func (s *Service) DisputeLink(ctx context.Context, tx *store.Tx, id, orgID, accountID, userID string) (string, error) {
	f := Flow{ID: id, OrgID: orgID, AccountID: accountID, UserID: userID}
	token := store.NewToken()
	typed, err := s.d.Keys.Seal([]byte(f.UserID), "dispute|"+f.ID)
	if err != nil {
		return "", fmt.Errorf("dispute link: %w", err)
	}
	if err := insertDispute(ctx, tx, s.disputeHash(token), f, typed, tx.Now().Add(DisputeLife)); err != nil {
		return "", fmt.Errorf("dispute link: %w", err)
	}
	return s.d.PublicURL + DisputePath + token, nil
}

func (s *Service) disputeHash(token string) []byte { return s.d.Keys.Index("dispute token", token) }

// Dispute shows what a link is about and changes nothing: mail scanners open
// links. Problem NotFound.
func (s *Service) Dispute(ctx context.Context, token string) (Dispute, error) {
	var d Dispute
	err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = s.dispute(ctx, tx, token)
		return err
	})
	return d, err
}

func (s *Service) dispute(ctx context.Context, tx *store.Tx, token string) (Dispute, error) {
	d, typed, err := selectDispute(ctx, tx, s.disputeHash(token))
	if errors.Is(err, store.ErrNoRows) {
		return Dispute{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Dispute{}, fmt.Errorf("dispute: %w", err)
	}
	plain, err := s.d.Keys.Open(typed, "dispute|"+d.flowID)
	if err != nil {
		return Dispute{}, fmt.Errorf("dispute: %w", err)
	}
	d.UserID = string(plain)
	d.Org, err = s.d.Orgs.Get(ctx, tx, d.OrgID)
	return d, err
}

// ConfirmDispute is the person saying "this wasn't me": resets of the account
// are frozen, its sessions and flows end, and a request is opened. Saying it
// twice is saying it once. Problem NotFound.
func (s *Service) ConfirmDispute(ctx context.Context, by audit.Actor, token string) (Dispute, error) {
	var d Dispute
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if d, err = s.dispute(ctx, tx, token); err != nil {
			return err
		}
		if err := challenge.Lock(ctx, tx, d.OrgID, d.AccountID); err != nil {
			return err
		}
		n, err := updateDisputed(ctx, tx, s.disputeHash(token))
		if err != nil || n == 0 {
			return err
		}
		d.UsedAt = tx.Now()
		return s.disputed(ctx, tx, by, d.Org, d.AccountID, d.UserID)
	})
	return d, err
}

// Contactable are the dead ends from which a request is sent. Where the
// password is kept elsewhere, the helpdesk's own contact is shown instead.
var Contactable = []problem.Code{problem.NotEnabled, problem.NotVerified, problem.Blocked, problem.DirectoryRefused}

// Contactable tells whether a request can be sent from where the flow stands.
func (f Flow) Contactable() bool {
	return f.Hidden() || f.State == Problem && slices.Contains(Contactable, f.Problem)
}

// Contact sends "contact your administrator" from a dead end. It answers the
// same for accounts that do not exist. Problems: TooLong, Forbidden (not-managed).
func (s *Service) Contact(ctx context.Context, by audit.Actor, f Flow, message string) error {
	if f.OrgID == "" {
		return nil
	}
	code := f.Problem
	if f.State != Problem {
		code = problem.NotVerified
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		o, err := s.d.Orgs.Get(ctx, tx, f.OrgID)
		if err != nil {
			return err
		}
		return s.d.Helpdesk.Open(ctx, tx, by, helpdesk.In{
			Org: o, AccountID: f.AccountID, UserID: f.UserID, Problem: code, Message: message,
		})
	})
}

// Expire ends flows that outlived their minutes and drops old rows. Run it every
// minute; several nodes may.
func (s *Service) Expire(ctx context.Context) error {
	by := audit.Actor{Kind: audit.System}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		ids, err := selectOverdue(ctx, tx, tx.Now(), 200)
		if err != nil {
			return fmt.Errorf("expire resets: %w", err)
		}
		for _, id := range ids {
			r, err := selectFlow(ctx, tx, id)
			if err != nil {
				return fmt.Errorf("expire resets: %w", err)
			}
			kind, err := s.tried(ctx, tx, r.Flow)
			if err != nil {
				return fmt.Errorf("expire resets: %w", err)
			}
			n, err := endFlow(ctx, tx, id)
			if err != nil {
				return fmt.Errorf("expire resets: %w", err)
			}
			if n == 0 {
				continue
			}
			if err := s.d.Challenges.EndOwner(ctx, tx, id); err != nil {
				return err
			}
			e := s.event(Flow{OrgID: r.OrgID, AccountID: r.AccountID}, audit.ResetAbandoned, audit.Failure, string(r.State))
			e.MethodKind = kind
			again, err := begunAgain(ctx, tx, id)
			if err != nil {
				return fmt.Errorf("expire resets: %w", err)
			}
			if again {
				e.Outcome, e.Reason = audit.Denied, "replaced"
			}
			if err := s.d.Audit.Record(ctx, tx, by, e); err != nil {
				return err
			}
		}
		return purgeFlows(ctx, tx, tx.Now().Add(-24*time.Hour))
	})
}

// Cancel ends a flow that its person gives up, with everything that was proved in
// it. One that is over stays as it is, and so does one whose password is being
// written: nobody can tell yet whether it was.
func (s *Service) Cancel(ctx context.Context, by audit.Actor, f Flow) (Reply, error) {
	var r Reply
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		cur, err := s.again(ctx, tx, f)
		if err != nil {
			return err
		}
		r = Reply{Flow: cur, Step: Next(cur, 0, 0)}
		if cur.State.Over() || cur.State == Writing {
			return nil
		}
		kind, err := s.tried(ctx, tx, cur)
		if err != nil {
			return fmt.Errorf("cancel a reset: %w", err)
		}
		if n, err := endFlow(ctx, tx, cur.ID); err != nil || n == 0 {
			return err
		}
		if err := s.d.Challenges.EndOwner(ctx, tx, cur.ID); err != nil {
			return err
		}
		r.Flow.State, r.Flow.Problem = Problem, problem.Expired
		r.Step = Next(r.Flow, 0, 0)
		e := s.event(cur, audit.ResetAbandoned, audit.Denied, "cancelled")
		e.MethodKind = kind
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	return r, err
}
