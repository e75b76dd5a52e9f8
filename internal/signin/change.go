package signin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// patience is how long a directory may take, and how long what it did is noted
// after the browser has gone.
const patience = 20 * time.Second

// Changed is what became of a change of the password.
type Changed struct {
	In
	// Refusals are the broken rules; none: the password was changed.
	Refusals []password.Refusal
}

// CanChange tells whether the person can change the password here at all.
func (s *Service) CanChange(signed Signed) (bool, error) {
	d, err := s.d.Accounts.Directory(signed.Org)
	if err != nil {
		return false, err
	}
	return signed.Account.Entry.Source == directory.Managed && d.Capabilities().Change, nil
}

// Rules are what a new password of this person must be, the directory's own
// rules among them.
func (s *Service) Rules(ctx context.Context, signed Signed) []password.Rule {
	return s.d.Accounts.Rules(ctx, signed.Org, signed.Account, account.ShownRules(signed.Org, s.d.Breached))
}

// ChangePassword sets a new password for somebody who types the current one. All
// other sessions end. Problems: NotManaged, PasswordWrong, SignInLocked, Busy,
// DirectoryUnavailable, DirectoryRefused, SignedOut.
func (s *Service) ChangePassword(ctx context.Context, by audit.Actor, token string, signed Signed, current, pw, lang string) (Changed, error) {
	can, err := s.CanChange(signed)
	if err != nil {
		return Changed{}, err
	}
	if !can {
		return Changed{}, problem.New(problem.NotManaged)
	}
	refusals := password.Check(account.PasswordPolicy(signed.Org), pw, signed.Account.PasswordContext(signed.Org), s.d.Breached)
	if len(refusals) > 0 {
		return Changed{Refusals: refusals}, nil
	}
	d, err := s.d.Accounts.Directory(signed.Org)
	if err != nil {
		return Changed{}, err
	}
	key := signed.Account.Entry.Key
	limited, cancel := context.WithTimeout(ctx, patience)
	err = d.ChangePassword(limited, key, current, pw, directory.ChangeOptions{History: signed.Org.Policy.Password.History})
	cancel()
	// The browser may be gone; what the directory did must be noted all the same.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	left := directory.Incomplete(err)
	if err != nil && left == "" {
		return s.unchanged(ctx, by, signed, d, err)
	}
	return s.changed(ctx, by, token, signed, lang, left)
}

// unchanged says why the directory did not do it.
func (s *Service) unchanged(ctx context.Context, by audit.Actor, signed Signed, d directory.Directory, cause error) (Changed, error) {
	if refusal, ok := directory.Refused(cause); ok {
		return Changed{Refusals: []password.Refusal{{Rule: refusal.Rule, Args: refusal.Args}}}, nil
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return Changed{}, problem.New(problem.DirectoryUnavailable).Because(cause)
	}
	if !errors.Is(cause, directory.ErrWrongPassword) {
		return Changed{}, known(cause)
	}
	j := judged{org: signed.Org, account: signed.Account, id: signed.Account.ID, result: directory.Wrong}
	e, err := d.Get(ctx, signed.Account.Entry.Key)
	if err != nil {
		return Changed{}, known(err)
	}
	if j.wait = max(0, e.LockedUntil.Sub(s.d.DB.Now())); j.wait > 0 && !signed.Account.Entry.LockedUntil.IsZero() {
		j.result = directory.Locked
	}
	if err := s.refusal(ctx, by, j); err != nil && !problem.Has(err, problem.SignInWrong) {
		return Changed{}, err
	}
	return Changed{}, problem.New(problem.PasswordWrong).On("current_password")
}

// changed does what belongs to a new password, in one transaction; left is what
// the directory did not do beside the password.
func (s *Service) changed(ctx context.Context, by audit.Actor, token string, signed Signed, lang, left string) (Changed, error) {
	var c Changed
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		c = Changed{}
		orgID, accountID := signed.Org.ID, signed.Account.ID
		if err := s.d.Challenges.EndAccount(ctx, tx, orgID, accountID); err != nil {
			return err
		}
		now, err := s.again(ctx, tx, token, signed)
		keep := now.Session.ID
		switch {
		case problem.Has(err, problem.SignedOut):
			// Signed out in between: the password is changed all the same, and every
			// session ends.
		case err != nil:
			return err
		default:
			if c.Token, err = s.d.Sessions.PasswordChanged(ctx, tx, keep); err != nil {
				return err
			}
			if now.Session, err = s.d.Sessions.Get(ctx, tx, keep); err != nil {
				return err
			}
			answered, err := selectAnswered(ctx, tx, keep)
			if err != nil {
				return err
			}
			c.Signed, c.Step = now, Next(now, answered)
		}
		if err := s.d.Sessions.EndOthers(ctx, tx, by, orgID, accountID, keep); err != nil {
			return err
		}
		if err := s.tell(ctx, tx, by, signed, lang); err != nil {
			return err
		}
		e := audit.Event{
			Kind: audit.PasswordChanged, Org: orgID, Target: accountID, TargetUserID: signed.Account.Entry.UserID, Outcome: audit.Success,
		}
		if left != "" {
			e.Detail = map[string]string{"left": left}
		}
		return s.d.Audit.Record(ctx, tx, by, e)
	})
	if err == nil && c.Token == "" {
		err = problem.New(problem.SignedOut)
	}
	return c, err
}

// tell writes to every address of the person, with the link that says "this
// wasn't me".
func (s *Service) tell(ctx context.Context, tx *store.Tx, by audit.Actor, signed Signed, lang string) error {
	id := store.NewID()
	link, err := s.d.Disputes.DisputeLink(ctx, tx, id, signed.Org.ID, signed.Account.ID, signed.Account.Entry.UserID)
	if err != nil {
		return err
	}
	methods, err := s.d.Methods.List(ctx, tx, signed.Org.ID, signed.Account.ID)
	if err != nil {
		return err
	}
	for _, m := range methods {
		if m.Kind != method.Email || !m.Proved {
			continue
		}
		if _, err := s.d.Messages.Queue(ctx, tx, notify.Message{
			Org: signed.Org, AccountID: signed.Account.ID, To: m.Value, Lang: cmp.Or(signed.Account.Entry.Language, lang), Key: "change:" + id + ":" + m.ID,
			Body: notify.PasswordNotice{
				What: notify.PasswordChanged, UserID: signed.Account.Entry.UserID, IP: by.IP, Browser: by.UserAgent,
				SupportCode: by.Correlation, At: tx.Now(), DisputeURL: link,
			},
		}); err != nil {
			return err
		}
	}
	return nil
}
