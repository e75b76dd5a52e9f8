package helpdesk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// mostAnswers is how many mails one request can bring to a person.
const mostAnswers = 10

// work is what is sealed of the work on a request.
type work struct {
	Assignee string   `json:"assignee,omitempty"`
	Answers  []Answer `json:"answers,omitempty"`
}

func (s *Service) workOf(r row) (w work, err error) {
	if len(r.work) == 0 {
		return w, nil
	}
	data, err := s.keys.Open(r.work, boundTo("work", r))
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	if err != nil {
		return w, fmt.Errorf("open request %s: %w", r.ID, err)
	}
	return w, nil
}

// change works on an open request, one change after another. Problems: NotFound,
// Conflict when it is closed.
func (s *Service) change(ctx context.Context, tx *store.Tx, orgID, id string, do func(r *row, w *work) error) (Request, error) {
	if err := tx.Lock(ctx, "helpdesk-request:"+orgID+":"+id); err != nil {
		return Request{}, fmt.Errorf("work on request: %w", err)
	}
	r, err := selectOne(ctx, tx, orgID, id)
	if errors.Is(err, store.ErrNoRows) {
		return Request{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Request{}, fmt.Errorf("work on request: %w", err)
	}
	w, err := s.workOf(r)
	if err != nil {
		return Request{}, err
	}
	if r.State != StateOpen {
		return Request{}, problem.New(problem.Conflict)
	}
	if err := do(&r, &w); err != nil {
		return Request{}, err
	}
	data, err := json.Marshal(w)
	if err != nil {
		return Request{}, fmt.Errorf("work on request: %w", err)
	}
	if r.work, err = s.keys.Seal(data, boundTo("work", r)); err != nil {
		return Request{}, fmt.Errorf("work on request: %w", err)
	}
	n, err := updateWork(ctx, tx, r)
	if err != nil {
		return Request{}, fmt.Errorf("work on request: %w", err)
	}
	if n != 1 {
		return Request{}, problem.New(problem.Conflict)
	}
	return s.open(r)
}

// Assign gives an open request to whoever asks for it, also out of another's
// hands. Problems: NotFound, Conflict when it is closed.
func (s *Service) Assign(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id string) error {
	return s.assign(ctx, tx, by, orgID, id, by.Account, by.UserID, "taken")
}

// Release takes an open request out of everybody's hands. Problems: NotFound,
// Conflict when it is closed.
func (s *Service) Release(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id string) error {
	return s.assign(ctx, tx, by, orgID, id, "", "", "released")
}

func (s *Service) assign(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id, to, userID, reason string) error {
	same := false
	request, err := s.change(ctx, tx, orgID, id, func(r *row, w *work) error {
		same = r.AssignedTo == to
		r.AssignedTo, w.Assignee = to, userID
		return nil
	})
	if err != nil || same {
		return err
	}
	return s.recordWork(ctx, tx, by, request, audit.RequestAssigned, reason)
}

// Reply is an answer to a request.
type Reply struct {
	Org     *org.Organization
	Account account.Account // whose request it is
	ID      string
	// MethodID is the registered address it goes to; empty: the first there is.
	MethodID string
	Text     string
}

// Answer mails words to a registered address of the person who asked: an address
// that stands in a request is a stranger's. Problems: NotFound, Required, TooLong,
// AnswerLink, MethodNotAllowed (not a registered address of theirs), SendLimit,
// Conflict when it is closed.
func (s *Service) Answer(ctx context.Context, tx *store.Tx, by audit.Actor, in Reply) error {
	text := neutral(in.Text)
	switch {
	case in.Org == nil || in.Account.OrgID != in.Org.ID:
		return errors.New("answer request: an organization and one of its accounts are needed")
	case text == "":
		return problem.New(problem.Required).On("text")
	case utf8.RuneCountInString(text) > MaxMessage:
		return problem.New(problem.TooLong, "max", MaxMessage).On("text")
	case notify.HoldsLink(text):
		return problem.New(problem.AnswerLink).On("text")
	}
	to, err := s.address(ctx, tx, in)
	if err != nil {
		return err
	}
	n := 0
	request, err := s.change(ctx, tx, in.Org.ID, in.ID, func(r *row, w *work) error {
		if r.AccountID != in.Account.ID {
			return problem.New(problem.NotFound)
		}
		if n = len(w.Answers); n >= mostAnswers {
			return problem.New(problem.SendLimit).On("text")
		}
		w.Answers = append(w.Answers, Answer{At: tx.Now(), By: by.UserID, To: to.Masked(), Text: text})
		return nil
	})
	if err != nil {
		return err
	}
	_, err = s.notify.Queue(ctx, tx, notify.Message{
		Org: in.Org, AccountID: in.Account.ID, To: to.Value, Lang: in.Account.Entry.Language, Key: fmt.Sprintf("answer:%s:%d", in.ID, n),
		Body: notify.RequestAnswer{UserID: in.Account.Entry.UserID, Text: text, SupportCode: request.SupportCode, At: tx.Now()},
	})
	if err != nil {
		return fmt.Errorf("answer request: %w", err)
	}
	return s.recordWork(ctx, tx, by, request, audit.RequestAnswered, "")
}

func (s *Service) address(ctx context.Context, tx *store.Tx, in Reply) (method.Method, error) {
	all, err := s.methods.List(ctx, tx, in.Org.ID, in.Account.ID)
	if err != nil {
		return method.Method{}, err
	}
	for _, m := range all {
		if m.Kind == method.Email && m.Proved && (in.MethodID == "" || m.ID == in.MethodID) {
			return m, nil
		}
	}
	return method.Method{}, problem.New(problem.MethodNotAllowed).On("method")
}

func (s *Service) recordWork(ctx context.Context, tx *store.Tx, by audit.Actor, r Request, kind audit.Kind, reason string) error {
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: kind, Org: r.OrgID, Target: r.AccountID, TargetUserID: r.UserID,
		Outcome: audit.Success, Reason: reason, Detail: map[string]string{"request": r.ID},
	})
}

// atOnce tells whether each request is mailed by itself.
func atOnce(o *org.Organization) bool {
	switch o.Policy.Notifications.HelpdeskMail {
	case org.MailHourly, org.MailDaily, org.MailOff:
		return false
	}
	return true
}

// Digest mails the support address how many requests wait, as often as the policy
// says: once a day of UTC, or in each hour after new ones came. It may be called as
// often as one likes, on any node, and at least a few times an hour.
func (s *Service) Digest(ctx context.Context, tx *store.Tx, o *org.Organization) error {
	often := o.Policy.Notifications.HelpdeskMail
	if o.Support.Email == "" || often == org.MailOff {
		return nil
	}
	if err := tx.Lock(ctx, "helpdesk-digest:"+o.ID); err != nil {
		return fmt.Errorf("digest of requests: %w", err)
	}
	w, err := waiting(ctx, tx, o.ID)
	if err != nil {
		return fmt.Errorf("digest of requests: %w", err)
	}
	told, err := selectTold(ctx, tx, o.ID)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return fmt.Errorf("digest of requests: %w", err)
	}
	key, due := digestKey(often, tx.Now().UTC(), told, w.newest)
	if w.open == 0 || !due {
		return nil
	}
	_, err = s.notify.Queue(ctx, tx, notify.Message{
		Org: o, To: o.Support.Email, Lang: o.Language, Key: key,
		Body: notify.RequestDigest{Open: w.open, Unassigned: w.unassigned, Oldest: w.oldest},
	})
	if err == nil {
		err = upsertTold(ctx, tx, o.ID)
	}
	if err != nil {
		return fmt.Errorf("digest of requests: %w", err)
	}
	return nil
}

// digestKey tells whether it is time for a digest, and what it is known by: the day,
// or the hour, that it is of.
func digestKey(often string, now, told, newest time.Time) (key string, due bool) {
	if hour := now.Truncate(time.Hour); often == org.MailHourly && newest.After(told) {
		return "digest:" + hour.Format("2006-01-02T15"), told.Before(hour)
	}
	today := now.Truncate(day)
	return "digest:" + today.Format(time.DateOnly), told.Before(today)
}
