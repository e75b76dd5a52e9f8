package reset

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret"
	"kunci.dev/kunci/internal/store"
)

// Life is how long a flow lives from its start.
const Life = 15 * time.Minute

// Reason is why somebody cannot sign in.
type Reason string

// The reasons, as the page's field has them.
const (
	Forgot        Reason = "forgot"
	NeverReceived Reason = "never_received"
	Locked        Reason = "locked"
)

// State of a flow.
type State string

// The states.
const (
	Choosing         State = "choosing"
	Verifying        State = "verifying"
	ChoosingPassword State = "choosing-password"
	Writing          State = "writing"
	Done             State = "done"
	Unlocked         State = "unlocked"
	Problem          State = "problem"
)

// Over tells whether nothing can happen in this state any more.
func (s State) Over() bool { return s == Done || s == Unlocked || s == Problem }

// Flow is one way back in.
type Flow struct {
	ID        string
	OrgID     string // empty: no organization has this user ID's domain
	AccountID string // empty: there is no such account
	// UserID is what was typed, normalized.
	UserID  string
	Reason  Reason
	Lang    string
	State   State
	Problem problem.Code // in state Problem
	// MethodID is the method being proved in state Verifying.
	MethodID  string
	StartedAt time.Time
	ExpiresAt time.Time
	// RetryAt is when a blocked person can try again; zero otherwise.
	RetryAt time.Time

	hidden    bool   // nothing of the account is shown before a proof
	sentTo    string // of a hidden flow: the address or number that was typed
	sentAt    time.Time
	counted   bool // as a reset
	failed    bool // as an identity failure
	attempt   string
	writingAt time.Time // when an attempt to write last lived of which nobody knows how it ended
}

// StartInput is what the first page sends.
type StartInput struct {
	UserID string
	Reason Reason
	Lang   string // of the page; messages of the flow are in it
	// Within is the only organization whose people the caller may lead, empty:
	// any. Those of another are nobody.
	Within string
	// Instead is the token of the flow that the same browser held, empty: none.
	Instead string
}

// Choice is one method on the choose page.
type Choice struct {
	ID     string
	Kind   method.Kind
	Name   string
	Masked string
	Digits int // of the code of an app or token; 0 for other kinds
	Usable bool
	// Why is the catalogue key of the reason it cannot be used, with Args.
	Why  string
	Args map[string]any
}

// View is what a page shows of a flow.
type View struct {
	Flow    Flow
	Org     *org.Organization // nil: unknown
	Step    Step
	Gate    int // the gate being proved, from 1
	Gates   int // how many are needed
	Choices []Choice
	// Chosen is the method being proved, with its challenge.
	Chosen    Choice
	Challenge challenge.Challenge
	// Questions are asked, in this order, where Chosen is a set of questions.
	Questions []method.Question
	// Options are what the page's script asks the browser with, for a passkey.
	Options string
	// Number is what is typed on the device, while a request waits there.
	Number string
	// Progress is how far the message with the code has come; zero: none was sent.
	Progress notify.Progress
	Rules    []password.Rule
	// NeedsDestination says that the whole address or number has to be typed, of
	// a hidden flow.
	NeedsDestination bool
	// CanUnlock tells that the account can be unlocked without a new password.
	CanUnlock bool
}

// Reply is what became of a step. Err-like refusals that had to be counted are
// here and not errors.
type Reply struct {
	Flow Flow
	Step Step
	// Code is the problem to show on the same page; empty when the step went well.
	Code problem.Code
	Left int // tries left after CodeWrong or DestinationWrong
	// Proved tells that this step proved the method of a gate.
	Proved bool
	// NeedsDestination says that the number has to be typed before a code is sent.
	NeedsDestination bool
	RetryAfter       time.Duration
	// Refusals are the broken rules of a password (Code PasswordRefused).
	Refusals []password.Refusal

	// counted is how many gates were passed and are needed, where this step changed
	// or read it after its beginning.
	counted *gateCount
}

type gateCount struct{ passed, needed int }

// Sessions ends what an account is signed in with.
type Sessions interface {
	EndAll(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, accountID string) error
}

// Deliveries tells what became of a message.
type Deliveries interface {
	Progress(ctx context.Context, tx *store.Tx, id string) (notify.Progress, error)
}

// Deps is what the room needs. Breached, Deliveries and Log may be nil.
type Deps struct {
	DB         *store.DB
	Keys       *secret.Keyset
	Orgs       *org.Service
	Accounts   *account.Service
	Methods    *method.Service
	Challenges *challenge.Service
	Helpdesk   *helpdesk.Service
	Audit      *audit.Service
	Messages   challenge.Messages
	Deliveries Deliveries
	Sessions   Sessions
	Breached   password.BreachFilter
	PublicURL  string // links of notices begin with it
	Log        *slog.Logger
}

// Service leads people back in.
type Service struct {
	d Deps
	// The times of an attempt to write, which tests shorten.
	pulse, silence, twin time.Duration
}

// New refuses missing parts.
func New(d Deps) (*Service, error) {
	for name, missing := range map[string]bool{
		"database": d.DB == nil, "keyset": d.Keys == nil, "organizations": d.Orgs == nil, "accounts": d.Accounts == nil,
		"methods": d.Methods == nil, "challenges": d.Challenges == nil, "helpdesk": d.Helpdesk == nil, "audit log": d.Audit == nil,
		"messages": d.Messages == nil, "sessions": d.Sessions == nil, "public URL": d.PublicURL == "",
	} {
		if missing {
			return nil, errors.New("reset: no " + name)
		}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	d.PublicURL = strings.TrimSuffix(d.PublicURL, "/")
	return &Service{d, pulse, silence, twin}, nil
}
