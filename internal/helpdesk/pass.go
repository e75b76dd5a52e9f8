package helpdesk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// startsWithin bounds how far ahead a pass may begin.
const startsWithin = 30 * day

// PassOrder is a Temporary Access Pass to issue.
type PassOrder struct {
	Org     *org.Organization
	Account account.Account
	Starts  time.Time // zero, or past: now
	Minutes int       // how long it counts from then; 0: as the policy says
	// Reusable asks for a pass that works more than once, where the policy allows it.
	Reusable bool
	// Role is that of an API key, which stands in no organization's file.
	Role org.Role
}

// Pass is a pass that was issued. Code is shown once and stored nowhere.
type Pass struct {
	ID      string
	Code    string
	Starts  time.Time
	Ends    time.Time
	OneTime bool
}

// String keeps a pass out of logs.
func (Pass) String() string { return "[hidden]" }

// GoString keeps a pass out of logs.
func (Pass) GoString() string { return "[hidden]" }

// IssuePass makes a pass and tells the person's addresses. It takes the place of
// one issued before, of what was proved with that, and of the sessions it let in. Never call it with a
// transaction open. Problems: Forbidden (nobody issues one for themselves, for
// somebody of a higher role, or without a role that may), Disabled, PassMinutes,
// PassStart, PassOneTime, Busy.
func (s *Service) IssuePass(ctx context.Context, by audit.Actor, in PassOrder) (Pass, error) {
	if in.Org == nil || in.Account.ID == "" || in.Account.OrgID != in.Org.ID {
		return Pass{}, errors.New("issue pass: an organization and one of its accounts are needed")
	}
	if err := mayActOn(by, in.Role, in.Org, in.Account); err != nil {
		return Pass{}, err
	}
	p, err := in.times(s.db.Now())
	if err != nil {
		return Pass{}, err
	}
	code, hash, err := s.methods.NewPass(ctx, in.Org.Policy.TemporaryAccessPass.Length)
	if err != nil {
		return Pass{}, err
	}
	p.Code = code
	return p, s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.endPasses(ctx, tx, by, in.Org.ID, in.Account.ID); err != nil {
			return err
		}
		if err := challenge.ForgetAlone(ctx, tx, in.Org.ID, in.Account.ID); err != nil {
			return err
		}
		m, err := s.methods.Add(ctx, tx, method.Method{
			OrgID: in.Org.ID, AccountID: in.Account.ID, Kind: method.TemporaryAccessPass, Secret: hash,
			Proved: true, ProvedBy: method.ByAdministrator, ValidFrom: p.Starts, ValidUntil: p.Ends, Reusable: !p.OneTime,
		})
		if err != nil {
			return err
		}
		p.ID = m.ID
		if err := s.tellPass(ctx, tx, by, in, m); err != nil {
			return err
		}
		return s.audit.Record(ctx, tx, by, passEvent(audit.TapIssued, in.Account, m, map[string]string{
			"starts": p.Starts.UTC().Format(time.RFC3339), "minutes": strconv.Itoa(int(p.Ends.Sub(p.Starts) / time.Minute)),
			"one_time": strconv.FormatBool(p.OneTime),
		}))
	})
}

// times reads the policy.
func (in PassOrder) times(now time.Time) (Pass, error) {
	policy := in.Org.Policy.TemporaryAccessPass
	minutes := in.Minutes
	if minutes == 0 {
		minutes = policy.DefaultMinutes
	}
	if minutes < policy.MinMinutes || minutes > policy.MaxMinutes {
		return Pass{}, problem.New(problem.PassMinutes, "min", policy.MinMinutes, "max", policy.MaxMinutes).On("minutes")
	}
	if in.Reusable && policy.OneTime {
		return Pass{}, problem.New(problem.PassOneTime).On("reusable")
	}
	starts := in.Starts
	if starts.Before(now) {
		starts = now
	}
	if starts.After(now.Add(startsWithin)) {
		return Pass{}, problem.New(problem.PassStart, "days", int(startsWithin/day)).On("starts")
	}
	return Pass{Starts: starts, Ends: starts.Add(time.Duration(minutes) * time.Minute), OneTime: !in.Reusable}, nil
}

// RevokePass takes the account's pass back for good, and ends the sessions it let in;
// key is the role of an API key. Problems: Forbidden; NotFound
// where there is none.
func (s *Service) RevokePass(ctx context.Context, tx *store.Tx, by audit.Actor, key org.Role, o *org.Organization, a account.Account) error {
	if err := mayActOn(by, key, o, a); err != nil {
		return err
	}
	m, err := s.endPasses(ctx, tx, by, o.ID, a.ID)
	if err != nil {
		return err
	}
	if m.ID == "" {
		return problem.New(problem.NotFound)
	}
	if err := s.methods.Discard(ctx, tx, o.ID, a.ID, m.ID); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, passEvent(audit.MethodDeleted, a, m, nil))
}

// endPasses ends the sessions that the account's pass let in, and gives the pass.
func (s *Service) endPasses(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) (pass method.Method, err error) {
	if err := challenge.Lock(ctx, tx, orgID, accountID); err != nil {
		return pass, err
	}
	all, err := s.methods.List(ctx, tx, orgID, accountID)
	if err != nil {
		return pass, err
	}
	for _, m := range all {
		if m.Kind != method.TemporaryAccessPass {
			continue
		}
		pass = m
		if err := s.sessions.EndByPass(ctx, tx, by, orgID, accountID, m.ID); err != nil {
			return pass, err
		}
	}
	return pass, nil
}

func passEvent(kind audit.Kind, a account.Account, m method.Method, detail map[string]string) audit.Event {
	return audit.Event{
		Kind: kind, Org: a.OrgID, Target: a.ID, TargetUserID: a.Entry.UserID, Outcome: audit.Success,
		MethodID: m.ID, MethodKind: string(m.Kind), Detail: detail,
	}
}

// issuers are the roles that may help a person back in.
var issuers = []org.Role{org.Owner, org.AuthenticationAdmin, org.Helpdesk}

// mayActOn holds what is true behind every door: nobody acts on themselves, nor on
// somebody of a higher or, but for owners, the same role. Whoever runs the program
// on its server may.
func mayActOn(by audit.Actor, acts org.Role, o *org.Organization, a account.Account) error {
	role, _ := o.RoleOf(by.UserID, nil)
	if acts != "" || strings.HasPrefix(by.Account, audit.ByKey) {
		role = acts // what a key is called gives it no role
	}
	target, admin := o.RoleOf(a.Entry.UserID, a.Entry.Groups)
	switch {
	case by.Account == a.ID:
		return problem.New(problem.Forbidden)
	case a.Entry.Disabled:
		return problem.New(problem.Disabled)
	case by.Kind == audit.CLI:
		return nil
	case by.Kind != audit.Admin, !slices.Contains(issuers, role),
		admin && role != org.Owner && slices.Index(org.Roles, role) >= slices.Index(org.Roles, target):
		return problem.New(problem.Forbidden)
	}
	return nil
}

// tellPass writes to every address of the person: a pass that nobody asked for
// is how somebody else gets in.
func (s *Service) tellPass(ctx context.Context, tx *store.Tx, by audit.Actor, in PassOrder, pass method.Method) error {
	all, err := s.methods.List(ctx, tx, in.Org.ID, in.Account.ID)
	if err != nil {
		return err
	}
	for _, to := range all {
		if to.Kind != method.Email || !to.Proved {
			continue
		}
		_, err := s.notify.Queue(ctx, tx, notify.Message{
			Org: in.Org, AccountID: in.Account.ID, To: to.Value, Lang: in.Account.Entry.Language, Key: "pass:" + pass.ID + ":" + to.ID,
			Body: notify.MethodNotice{
				Action: notify.MethodIssued, Kind: string(pass.Kind), UserID: in.Account.Entry.UserID, SupportCode: by.Correlation, At: tx.Now(),
			},
		})
		if err != nil {
			return fmt.Errorf("tell about a pass: %w", err)
		}
	}
	return nil
}
