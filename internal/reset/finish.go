package reset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

const (
	// patience is how long a directory may take.
	patience = 20 * time.Second
	// An attempt to write says each pulse that it lives, and keeps others out for a
	// lease after it last did. One that could not say so for a silence stops: so two
	// attempts never write at once, and after a crash nobody waits longer than a lease.
	pulse, silence, lease = 2 * time.Second, 5 * time.Second, 10 * time.Second
	// twin is how long another copy of the form waits for the attempt under way: for
	// its answer, where a browser sent it twice, or for the end of its lease, where
	// its node died. It looks after each glance, which grow.
	twin, glance, longGlance = lease + time.Second, 50 * time.Millisecond, 500 * time.Millisecond
)

// SetPassword writes the new password. Refusals of the policy or the directory
// are in the reply with every rule (Code PasswordRefused). Problems:
// DirectoryUnavailable (the step can be repeated), StillWriting (the same step is
// running).
func (s *Service) SetPassword(ctx context.Context, by audit.Actor, f Flow, pw string) (Reply, error) {
	return s.write(ctx, by, f, Done, func(ctx context.Context, now facts, d directory.Directory, begun time.Time) error {
		if !now.can.SetPassword {
			return directory.ErrRights
		}
		refusals := password.Check(account.PasswordPolicy(now.org), pw, now.account.PasswordContext(now.org), s.d.Breached)
		if len(refusals) > 0 {
			return &refusedHere{refusals}
		}
		return d.SetPassword(ctx, now.account.Entry.Key, pw, directory.SetOptions{Unlock: true, History: now.org.Policy.Password.History, Begun: begun})
	})
}

// Unlock lifts the account's lock and leaves the password. It is for those who
// came for that, where the policy and the directory allow it; others get problem
// Forbidden. Problems as SetPassword.
func (s *Service) Unlock(ctx context.Context, by audit.Actor, f Flow) (Reply, error) {
	return s.write(ctx, by, f, Unlocked, func(ctx context.Context, now facts, d directory.Directory, _ time.Time) error {
		if !now.unlocks() {
			return problem.New(problem.Forbidden)
		}
		return d.Unlock(ctx, now.account.Entry.Key)
	})
}

// refusedHere is a password that breaks our own rules.
type refusedHere struct{ refusals []password.Refusal }

func (*refusedHere) Error() string { return "password refused" }

// write is intent, directory, done: transaction A judges everything again and
// notes the attempt, the directory works with no transaction open, transaction B
// closes. A crash in between leaves "writing", and the next attempt is told when
// the one before it began.
func (s *Service) write(ctx context.Context, by audit.Actor, f Flow, end State, do func(context.Context, facts, directory.Directory, time.Time) error) (Reply, error) {
	var now facts
	var proved []method.Method
	attempt, taken, begun := "", false, time.Time{}
	note := func(tx *store.Tx, f *Flow, n facts, by []method.Method, r *Reply) error {
		now, proved, attempt, taken = n, by, "", false
		begun = f.writingAt
		if n.proved(by) < n.gates() {
			// Never proved, or the policy asks for more than it did.
			if f.State == ChoosingPassword || f.State == Writing {
				f.State, f.MethodID, f.attempt, f.writingAt = Choosing, "", "", time.Time{}
				return s.save(ctx, tx, *f)
			}
			return nil
		}
		if f.State == Writing && !f.writingAt.IsZero() && f.writingAt.Add(lease).After(tx.Now()) {
			taken = true
			return problem.New(problem.StillWriting).After(f.writingAt.Add(lease).Sub(tx.Now()))
		}
		attempt = store.NewID()
		f.State, f.MethodID, f.attempt, f.writingAt = Writing, "", attempt, tx.Now()
		return s.save(ctx, tx, *f)
	}
	r, err := s.step(ctx, by, f, note)
	for waited, next := time.Duration(0), glance; taken && waited < s.twin; waited, next = waited+next, min(next*2, longGlance) {
		select {
		case <-ctx.Done():
			return r, err
		case <-time.After(next):
		}
		taken = false
		r, err = s.step(ctx, by, f, note)
	}
	if err != nil || attempt == "" || r.Flow.State != Writing {
		return r, err
	}
	d, err := s.d.Accounts.Directory(now.org)
	if err == nil {
		if !begun.IsZero() {
			begun = begun.Add(-patience) // the last that is known of it is that it lived then
		}
		err = s.alive(ctx, r.Flow.ID, attempt, func(ctx context.Context) error { return do(ctx, now, d, begun) })
	}
	// The browser may be gone; what the directory did must be noted all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	left := directory.Incomplete(err)
	if err != nil && left == "" {
		return s.unwritten(ctx, by, r.Flow, now, attempt, err)
	}
	return s.written(ctx, by, r.Flow, now, proved, attempt, end, left)
}

// alive does what an attempt does, and says meanwhile that the attempt lives.
// Where it cannot say so, or another attempt has the flow, it cancels what is done.
func (s *Service) alive(ctx context.Context, flowID, attempt string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	ended := make(chan struct{})
	defer func() { cancel(); <-ended }()
	go func() {
		defer close(ended)
		each := time.NewTicker(s.pulse)
		defer each.Stop()
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				return
			case <-each.C:
			}
			began, mine := time.Now(), true
			limited, end := context.WithDeadline(ctx, last.Add(s.silence))
			err := s.d.DB.Write(limited, func(tx *store.Tx) error {
				n, err := updatePulse(limited, tx, flowID, attempt)
				mine = n == 1
				return err
			})
			end()
			switch {
			case err == nil && mine:
				last = began
			case err == nil || !time.Now().Before(last.Add(s.silence)):
				cancel()
				return
			}
		}
	}()
	return do(ctx)
}

// written closes a flow whose directory did its part; left is what it did not do
// beside the password.
func (s *Service) written(ctx context.Context, by audit.Actor, f Flow, now facts, proved []method.Method, attempt string, end State, left string) (Reply, error) {
	var r Reply
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		cur, err := s.again(ctx, tx, f)
		if err != nil {
			return err
		}
		cur.State, cur.Problem = end, ""
		cur.writingAt = time.Time{}
		n, err := updateWritten(ctx, tx, cur, attempt)
		if err != nil {
			return fmt.Errorf("finish reset: %w", err)
		}
		if n == 1 {
			if err := s.close(ctx, tx, by, cur, now, proved, left); err != nil {
				return err
			}
		}
		r = Reply{Flow: cur, Step: Next(cur, 0, 0)}
		return nil
	})
	return r, err
}

// close does what belongs to "done", in the same transaction.
func (s *Service) close(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow, now facts, proved []method.Method, left string) error {
	if err := s.endOthers(ctx, tx, by, f); err != nil {
		return err
	}
	if err := s.d.Challenges.EndAccount(ctx, tx, f.OrgID, f.AccountID); err != nil {
		return err
	}
	if err := s.d.Challenges.ClearLimits(ctx, tx, f.OrgID, f.AccountID); err != nil {
		return err
	}
	if err := s.ClearLimits(ctx, tx, f.OrgID, f.AccountID); err != nil {
		return err
	}
	ids := make([]string, len(proved))
	for i, m := range proved {
		ids[i] = m.ID
	}
	kind, what := audit.AccountUnlocked, notify.PasswordUnlocked
	if f.State == Done {
		kind, what = audit.ResetCompleted, notify.PasswordReset
		if f.Reason == NeverReceived {
			what = notify.PasswordFirst
		}
		if err := s.d.Sessions.EndAll(ctx, tx, by, f.OrgID, f.AccountID); err != nil {
			return err
		}
	}
	if err := s.d.Accounts.MarkReset(ctx, tx, by, f.OrgID, f.AccountID, ids); err != nil {
		return err
	}
	if err := s.tell(ctx, tx, by, f, now, what); err != nil {
		return err
	}
	e := s.event(f, kind, audit.Success, string(f.Reason))
	e.Detail = map[string]string{"methods": joined(proved), "seconds": strconv.Itoa(int(tx.Now().Sub(f.StartedAt).Seconds()))}
	if left != "" {
		e.Detail["left"] = left
	}
	return s.d.Audit.Record(ctx, tx, by, e)
}

func joined(of []method.Method) string {
	var all []string
	for _, k := range kinds(of) {
		all = append(all, string(k))
	}
	return strings.Join(all, " ")
}

// unwritten notes that the directory did not do it, or did not say.
func (s *Service) unwritten(ctx context.Context, by audit.Actor, f Flow, now facts, attempt string, cause error) (Reply, error) {
	r := Reply{Code: problem.PasswordRefused}
	state, code, reason := ChoosingPassword, problem.Code(""), ""
	var own *refusedHere
	var out error
	refusal, refused := directory.Refused(cause)
	switch {
	case errors.As(cause, &own):
		r.Refusals, reason = own.refusals, own.refusals[0].Rule
	case refused:
		r.Refusals, reason = []password.Refusal{{Rule: refusal.Rule, Args: refusal.Args}}, refusal.Rule
	case errors.Is(cause, directory.ErrRights):
		state, code, reason = Problem, problem.DirectoryRefused, string(problem.DirectoryRefused)
	case errors.Is(cause, directory.ErrNotFound):
		state, code, reason = Problem, problem.NotVerified, "gone"
	case errors.Is(cause, directory.ErrUnavailable), errors.Is(cause, context.DeadlineExceeded), errors.Is(cause, context.Canceled):
		reason, out = string(problem.DirectoryUnavailable), problem.New(problem.DirectoryUnavailable).Because(cause)
	default:
		reason, out = "fault", cause
	}
	if out != nil || state == Problem {
		r.Code = ""
	}
	s.d.Log.WarnContext(ctx, "password not written", "flow", f.ID, "reason", reason)
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		cur, err := s.again(ctx, tx, f)
		if err != nil {
			return err
		}
		cur.State, cur.Problem = state, code
		if out == nil {
			cur.writingAt = time.Time{} // it is known what became of it
		}
		n, err := updateWritten(ctx, tx, cur, attempt)
		if err != nil || n == 0 {
			return err
		}
		if state == Problem {
			if err := s.d.Challenges.EndOwner(ctx, tx, f.ID); err != nil {
				return err
			}
		}
		fresh, proved := now, []method.Method(nil)
		if state == ChoosingPassword { // the directory took its time: the policy is read again
			if fresh, proved, err = s.now(ctx, tx, cur, now); err != nil {
				return err
			}
		}
		s.finish(&cur, fresh, proved, &r)
		return s.d.Audit.Record(ctx, tx, by, s.event(cur, audit.ResetRefused, audit.Failure, reason))
	})
	if err != nil {
		return r, err
	}
	return r, out
}

// tell writes to every address of the person, or to their user ID where none is
// registered, with the link that says "this wasn't me", and to the administrators when it was one of them. It is in the
// person's own language: whoever sat at the browser may be somebody else.
func (s *Service) tell(ctx context.Context, tx *store.Tx, by audit.Actor, f Flow, now facts, what string) error {
	p := now.org.Policy.Notifications
	if _, admin := now.org.RoleOf(now.account.Entry.UserID, now.account.Entry.Groups); admin && p.AdminsOnAdminReset && f.State == Done {
		for _, a := range now.org.Administrators {
			if strings.EqualFold(a.UserID, now.account.Entry.UserID) || !strings.Contains(a.UserID, "@") {
				continue
			}
			// An administrator's user ID that is no mailbox is no reason to fail a reset.
			if _, err := s.d.Messages.Queue(ctx, tx, notify.Message{
				Org: now.org, To: a.UserID, Lang: now.org.Language, Key: "admin-reset:" + f.ID + ":" + a.UserID,
				Body: notify.AdminNotice{UserID: now.account.Entry.UserID, IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: tx.Now()},
			}); err != nil && !errors.Is(err, problem.New(problem.EmailInvalid)) {
				return err
			}
		}
	}
	if !p.UserOnReset {
		return nil
	}
	link, err := s.DisputeLink(ctx, tx, f.ID, f.OrgID, f.AccountID, f.UserID)
	if err != nil {
		return err
	}
	queue := func(to, key string) error {
		_, err := s.d.Messages.Queue(ctx, tx, notify.Message{
			Org: now.org, AccountID: f.AccountID, To: to, Lang: cmp.Or(now.account.Entry.Language, f.Lang), Key: "reset:" + f.ID + ":" + key,
			Body: notify.PasswordNotice{
				What: what, UserID: now.account.Entry.UserID, IP: by.IP, Browser: by.UserAgent,
				SupportCode: by.Correlation, At: tx.Now(), DisputeURL: link,
			},
		})
		return err
	}
	told := false
	for _, m := range now.methods {
		if m.Kind != method.Email || !m.Proved {
			continue
		}
		if err := queue(m.Value, m.ID); err != nil {
			return err
		}
		told = true
	}
	if told || !strings.Contains(now.account.Entry.UserID, "@") {
		return nil
	}
	// Every recovery is told (SP 800-63B-4, 4.2.3), also where no address is
	// registered: the user ID is the one that is left, and no mailbox for some.
	if err := queue(now.account.Entry.UserID, "user-id"); err != nil && !errors.Is(err, problem.New(problem.EmailInvalid)) {
		return err
	}
	return nil
}
