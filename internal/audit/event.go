package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kind names what happened. The list is closed: an unknown kind is refused.
type Kind string

// The kinds of events.
const (
	ResetStarted            Kind = "reset.started"
	ResetGatePassed         Kind = "reset.gate_passed"
	ResetGateFailed         Kind = "reset.gate_failed"
	ResetCompleted          Kind = "reset.completed"
	ResetRefused            Kind = "reset.refused"
	ResetBlocked            Kind = "reset.blocked"
	ResetAbandoned          Kind = "reset.abandoned"
	AccountUnlocked         Kind = "account.unlocked"
	PasswordChanged         Kind = "password.changed"
	MethodAdded             Kind = "method.added"
	MethodChanged           Kind = "method.changed"
	MethodDeleted           Kind = "method.deleted"
	MethodDefaultChanged    Kind = "method.default_changed"
	RegistrationCompleted   Kind = "registration.completed"
	RegistrationSkipped     Kind = "registration.skipped"
	RegistrationReconfirmed Kind = "registration.reconfirmed"
	SignInSucceeded         Kind = "signin.succeeded"
	SignInFailed            Kind = "signin.failed"
	SignInLocked            Kind = "signin.locked"
	SessionRevoked          Kind = "session.revoked"
	RequestOpened           Kind = "request.opened"
	RequestResolved         Kind = "request.resolved"
	RequestAssigned         Kind = "request.assigned"
	RequestAnswered         Kind = "request.answered"
	TapIssued               Kind = "tap.issued"
	TapUsed                 Kind = "tap.used"
	PolicyChanged           Kind = "policy.changed"
	DirectoryChanged        Kind = "directory.changed"
	AdministratorChanged    Kind = "administrator.changed"
	OrganizationChanged     Kind = "organization.changed" // its name, domains, branding, contacts or help texts
	ThrottleCleared         Kind = "throttle.cleared"
	ExportCreated           Kind = "export.created"
	DirectoryTested         Kind = "directory.tested" // an administrator tried a connection, the organization's or another
	CallerAsked             Kind = "caller.asked"     // a code was sent to somebody who calls the helpdesk
	CallerVerified          Kind = "caller.verified"  // they read it out: rightly, or not
)

// Kinds lists every kind of event.
var Kinds = []Kind{
	ResetStarted, ResetGatePassed, ResetGateFailed, ResetCompleted, ResetRefused, ResetBlocked, ResetAbandoned,
	AccountUnlocked, PasswordChanged, MethodAdded, MethodChanged, MethodDeleted, MethodDefaultChanged,
	RegistrationCompleted, RegistrationSkipped, RegistrationReconfirmed, SignInSucceeded, SignInFailed, SignInLocked,
	SessionRevoked, RequestOpened, RequestResolved, TapIssued, TapUsed, PolicyChanged, DirectoryChanged,
	AdministratorChanged, OrganizationChanged, ThrottleCleared, ExportCreated, CallerAsked, CallerVerified,
	RequestAssigned, RequestAnswered, DirectoryTested,
}

// Outcome tells how it ended.
type Outcome string

// The outcomes.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
)

// Outcomes lists every outcome.
var Outcomes = []Outcome{Success, Failure, Denied}

// ActorKind tells in which role somebody acted.
type ActorKind string

// The roles of an actor.
const (
	Person    ActorKind = "person"    // the account's own person
	Anonymous ActorKind = "anonymous" // nobody has proved who they are
	Admin     ActorKind = "admin"
	CLI       ActorKind = "cli" // whoever may run the program on the server
	System    ActorKind = "system"
)

// Actor is who did it, and from where. It is an argument of every change.
type Actor struct {
	Kind ActorKind
	// Account is the account's identifier, empty when none is known.
	Account string
	// UserID is what the person is called; it is sealed.
	UserID string
	// IP and UserAgent are those of the request; they are sealed.
	IP        string
	UserAgent string
	// Correlation ties together the events of one request and is shown to people as the support code.
	Correlation string
}

// ByKey begins the Account of an actor that is a program with an API key, which
// has a name in place of a user ID.
const ByKey = "api-key:"

// Event is what happened.
type Event struct {
	Kind Kind
	// Org is the organization's identifier.
	Org string
	// Target is the account it happened to; TargetUserID what that person is called (sealed).
	Target       string
	TargetUserID string
	Outcome      Outcome
	// Reason is a short code of why, never a sentence.
	Reason     string
	MethodID   string
	MethodKind string
	// Detail holds further facts; neither secrets nor anything that identifies a person.
	Detail map[string]string
}

// Record is an event as it is read back.
type Record struct {
	ID    string    `json:"id"`
	Time  time.Time `json:"time"`
	Leaf  int64     `json:"leaf"` // place in the log; -1 while it waits for one
	Kind  Kind      `json:"kind"`
	Org   string    `json:"organization,omitempty"`
	Actor struct {
		Kind      ActorKind `json:"kind"`
		Account   string    `json:"account,omitempty"`
		UserID    string    `json:"user_id,omitempty"`
		IP        string    `json:"ip,omitempty"`
		UserAgent string    `json:"user_agent,omitempty"`
	} `json:"actor"`
	Target       string            `json:"target,omitempty"`
	TargetUserID string            `json:"target_user_id,omitempty"`
	Outcome      Outcome           `json:"outcome"`
	Reason       string            `json:"reason,omitempty"`
	MethodID     string            `json:"method_id,omitempty"`
	MethodKind   string            `json:"method_kind,omitempty"`
	Correlation  string            `json:"correlation,omitempty"`
	Detail       map[string]string `json:"detail,omitempty"`
	// Erased tells that the key of a person in it was destroyed.
	Erased bool `json:"erased,omitempty"`
	// Damaged tells that a part of it cannot be read; Verify says more.
	Damaged bool `json:"damaged,omitempty"`
}

// longest bounds every text of an event, in bytes.
const longest = 512

// clean makes a text safe to show on a terminal or in a log line: one line,
// no control or direction characters, bounded (log injection, CWE-117).
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029' {
			return '\uFFFD'
		}
		return r
	}, s)
	for len(s) > longest {
		_, size := utf8.DecodeLastRuneInString(s[:longest])
		cut := longest - size
		for cut > 0 && !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}

// check refuses an event that does not belong in the log.
func (e Event) check(by Actor) error {
	if !slices.Contains(Kinds, e.Kind) {
		return fmt.Errorf("audit: %q is no kind of event", e.Kind)
	}
	switch e.Outcome {
	case Success, Failure, Denied:
	default:
		return fmt.Errorf("audit: %q is no outcome", e.Outcome)
	}
	switch by.Kind {
	case Person, Anonymous, Admin, CLI, System:
	default:
		return fmt.Errorf("audit: %q is no kind of actor", by.Kind)
	}
	return nil
}
