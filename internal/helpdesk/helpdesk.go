package helpdesk

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/throttle"
)

const day = 24 * time.Hour

var (
	// perPerson lets one request of a sort through in a day (known account or not).
	perPerson = throttle.Limit{Limit: 1, Per: day, Lock: 0}
	// perOrganization bounds the mails a flood makes; requests beyond it are kept unmailed.
	perOrganization = throttle.Limit{Limit: 100, Per: time.Hour, Lock: 0}
)

// Deps is what the room needs.
type Deps struct {
	DB      *store.DB
	Keys    *secret.Keyset
	Methods *method.Service
	Audit   *audit.Service
	Notify  *notify.Service
	// Sessions are ended that a pass let in which is taken back.
	Sessions *session.Service
}

// Service keeps requests and issues passes.
type Service struct {
	db      *store.DB
	keys    *secret.Keyset
	methods *method.Service
	audit   *audit.Service
	notify  *notify.Service

	sessions *session.Service
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	switch {
	case d.DB == nil:
		return nil, errors.New("helpdesk: no database")
	case d.Keys == nil:
		return nil, errors.New("helpdesk: no keyset")
	case d.Methods == nil:
		return nil, errors.New("helpdesk: no methods")
	case d.Audit == nil:
		return nil, errors.New("helpdesk: no audit log")
	case d.Notify == nil:
		return nil, errors.New("helpdesk: no messages")
	case d.Sessions == nil:
		return nil, errors.New("helpdesk: no sessions")
	}
	return &Service{d.DB, d.Keys, d.Methods, d.Audit, d.Notify, d.Sessions}, nil
}

// said is what is sealed of a request.
type said struct {
	UserID  string `json:"user_id"`
	Message string `json:"message"`
}

// resolution is what is sealed of its end.
type resolution struct {
	By   string `json:"by"`
	Note string `json:"note"`
}

// Open takes a request. What it returns does not depend on whether the account
// exists, nor on whether a request was open already: nil means "if there is
// such an account, its administrators know". Problems: TooLong, and Forbidden at
// a dead end that no administrator of the organization can mend here.
func (s *Service) Open(ctx context.Context, tx *store.Tx, by audit.Actor, in In) error {
	if in.Org == nil {
		return errors.New("open request: no organization")
	}
	if in.Problem == problem.NotManaged {
		return problem.New(problem.Forbidden)
	}
	if utf8.RuneCountInString(in.Message) > MaxMessage {
		return problem.New(problem.TooLong, "max", MaxMessage).On("message")
	}
	verdict, err := throttle.Take(ctx, tx, s.personKey(in), perPerson)
	if err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	if !verdict.Allowed {
		return nil
	}
	// The same work for everyone up to here: an unknown account's request is
	// sealed too, and dropped.
	r, err := s.seal(in, by, tx.Now())
	if err != nil {
		return err
	}
	if in.AccountID == "" {
		return nil
	}
	return s.keep(ctx, tx, by, in, r)
}

func (s *Service) keep(ctx context.Context, tx *store.Tx, by audit.Actor, in In, r row) error {
	if err := tx.Lock(ctx, "helpdesk:"+in.Org.ID+":"+in.AccountID); err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	again, err := openSince(ctx, tx, in.Org.ID, in.AccountID, in.Problem, tx.Now().Add(-day))
	if err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	if again {
		return nil
	}
	if err := insert(ctx, tx, r); err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	if err := s.mail(ctx, tx, by, in, r); err != nil {
		return err
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.RequestOpened, Org: in.Org.ID, Target: in.AccountID, TargetUserID: in.UserID,
		Outcome: audit.Success, Reason: string(in.Problem), Detail: map[string]string{"request": r.ID},
	})
}

// mail tells the organization's support address, unless there is none, a flood of
// requests is on, or the organization wants to hear of them together. "This wasn't
// me" waits for nobody.
func (s *Service) mail(ctx context.Context, tx *store.Tx, by audit.Actor, in In, r row) error {
	if in.Org.Support.Email == "" || in.Problem != ProblemDispute && !atOnce(in.Org) {
		return nil
	}
	verdict, err := throttle.Take(ctx, tx, "request_mail:"+in.Org.ID, perOrganization)
	if err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	if !verdict.Allowed && in.Problem != ProblemDispute {
		return nil
	}
	var body notify.Body = notify.RequestNotice{
		UserID: in.UserID, Problem: string(in.Problem), Text: r.Message,
		IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: r.OpenedAt,
	}
	if in.Problem == ProblemDispute {
		body = notify.DisputeNotice{UserID: in.UserID, IP: by.IP, Browser: by.UserAgent, SupportCode: by.Correlation, At: r.OpenedAt}
	}
	_, err = s.notify.Queue(ctx, tx, notify.Message{
		Org: in.Org, AccountID: in.AccountID, To: in.Org.Support.Email, Lang: in.Org.Language, Body: body, Key: "request:" + r.ID,
	})
	if err != nil {
		return fmt.Errorf("open request: %w", err)
	}
	return nil
}

// personKey is the throttle's key of a person: by account, or by what was typed
// where there is none. Both have one form, so that a key tells nothing either.
func (s *Service) personKey(in In) string {
	who := "account:" + in.AccountID
	if in.AccountID == "" {
		who = "typed:" + strings.ToLower(strings.TrimSpace(in.UserID))
	}
	return sort(in.Problem) + ":" + in.Org.ID + ":" + hex.EncodeToString(s.keys.Index("helpdesk person", who)[:16])
}

func (s *Service) seal(in In, by audit.Actor, now time.Time) (row, error) {
	r := row{Request: Request{
		ID: store.NewID(), OrgID: in.Org.ID, AccountID: in.AccountID, UserID: in.UserID, Problem: in.Problem,
		Message: neutral(in.Message), State: StateOpen, SupportCode: by.Correlation, OpenedAt: now,
	}}
	data, err := json.Marshal(said{r.UserID, r.Message})
	if err != nil {
		return row{}, fmt.Errorf("open request: %w", err)
	}
	if r.sealed, err = s.keys.Seal(data, boundTo("said", r)); err != nil {
		return row{}, fmt.Errorf("open request: %w", err)
	}
	return r, nil
}

func boundTo(part string, r row) string {
	return strings.Join([]string{"helpdesk", part, r.OrgID, r.AccountID, r.ID}, "|")
}

// neutral keeps a message's lines and takes out what could act on a terminal or
// reorder what is read: control characters, invisible and direction marks.
func neutral(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t', r == '\r', unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r):
			return -1
		}
		return r
	}, s))
}

// Get gives one request of an organization. Problem NotFound, also for another
// organization's.
func (s *Service) Get(ctx context.Context, tx *store.Tx, orgID, id string) (Request, error) {
	r, err := selectOne(ctx, tx, orgID, id)
	if errors.Is(err, store.ErrNoRows) {
		return Request{}, problem.New(problem.NotFound)
	}
	if err != nil {
		return Request{}, fmt.Errorf("get request: %w", err)
	}
	return s.open(r)
}

// List gives requests of an organization, the newest first.
func (s *Service) List(ctx context.Context, tx *store.Tx, q Query) ([]Request, error) {
	if q.Limit <= 0 {
		q.Limit = 50
	}
	q.Limit = min(q.Limit, 200)
	rows, err := selectMany(ctx, tx, q)
	if err != nil {
		return nil, fmt.Errorf("list requests: %w", err)
	}
	all := make([]Request, 0, len(rows))
	for _, r := range rows {
		request, err := s.open(r)
		if err != nil {
			return nil, err
		}
		all = append(all, request)
	}
	return all, nil
}

func (s *Service) open(r row) (Request, error) {
	data, err := s.keys.Open(r.sealed, boundTo("said", r))
	if err != nil {
		return Request{}, fmt.Errorf("open request %s: %w", r.ID, err)
	}
	var said said
	if err := json.Unmarshal(data, &said); err != nil {
		return Request{}, fmt.Errorf("open request %s: %w", r.ID, err)
	}
	r.UserID, r.Message = said.UserID, said.Message
	w, err := s.workOf(r)
	if err != nil {
		return Request{}, err
	}
	r.Assignee, r.Answers = w.Assignee, w.Answers
	if len(r.resolution) == 0 {
		return r.Request, nil
	}
	if data, err = s.keys.Open(r.resolution, boundTo("resolution", r)); err != nil {
		return Request{}, fmt.Errorf("open request %s: %w", r.ID, err)
	}
	var end resolution
	if err := json.Unmarshal(data, &end); err != nil {
		return Request{}, fmt.Errorf("open request %s: %w", r.ID, err)
	}
	r.ResolvedBy, r.Note = end.By, end.Note
	return r.Request, nil
}

// Resolve closes a request with a note of what was done. Problems: NotFound,
// TooLong, Conflict when it is closed already.
func (s *Service) Resolve(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, id, note string) error {
	if utf8.RuneCountInString(note) > MaxMessage {
		return problem.New(problem.TooLong, "max", MaxMessage).On("note")
	}
	r, err := selectOne(ctx, tx, orgID, id)
	if errors.Is(err, store.ErrNoRows) {
		return problem.New(problem.NotFound)
	}
	if err != nil {
		return fmt.Errorf("resolve request: %w", err)
	}
	request, err := s.open(r)
	if err != nil {
		return err
	}
	data, err := json.Marshal(resolution{by.UserID, neutral(note)})
	if err != nil {
		return fmt.Errorf("resolve request: %w", err)
	}
	sealed, err := s.keys.Seal(data, boundTo("resolution", r))
	if err != nil {
		return fmt.Errorf("resolve request: %w", err)
	}
	done, err := resolve(ctx, tx, orgID, id, sealed)
	if err != nil {
		return fmt.Errorf("resolve request: %w", err)
	}
	if !done {
		return problem.New(problem.Conflict)
	}
	return s.audit.Record(ctx, tx, by, audit.Event{
		Kind: audit.RequestResolved, Org: orgID, Target: r.AccountID, TargetUserID: request.UserID,
		Outcome: audit.Success, Reason: string(r.Problem), Detail: map[string]string{"request": id},
	})
}
