package notify

import (
	"encoding/json"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/wording"
)

// Message is one message to one person.
type Message struct {
	Org *org.Organization
	// AccountID is whose message it is; empty for a message to the organization.
	AccountID string
	// To is one plain address, without a name; a number in E.164 for a phone.
	To string
	// Channel is how it leaves; empty: by mail. Only codes go to phones.
	Channel Channel
	// Lang is the language it is written in; empty means the organization's.
	Lang string
	Body Body
	// Key makes queueing idempotent within the organization: a second message
	// with the same key is the first one. Empty means that every call is a new one.
	Key string
	// Own is a text in the place of the organization's; nil: as the organization has it.
	Own *wording.Text
	// Test says on the message that it is a test, with made-up values.
	Test bool
	// ExpiresAt is when the message stops being worth sending; zero means never.
	ExpiresAt time.Time
}

// Body is what a message says: one of the types of this file.
type Body interface{ kind() string }

// Purposes of a code.
const (
	PurposeReset    = "reset"
	PurposeSignIn   = "signin"
	PurposeRegister = "register"
	PurposeStepUp   = "stepup"
	PurposeCaller   = "caller" // read out to the helpdesk, in a call
)

// Code brings a one-time code.
type Code struct {
	Purpose     string // one of the purposes above
	Code        string // digits
	Minutes     int    // how long it is valid from At
	UserID      string
	IP          string
	Browser     string // a User-Agent header or a name; only known names are shown
	SupportCode string
	At          time.Time // when it was asked for
}

// What happened to a password.
const (
	PasswordReset    = "reset"
	PasswordChanged  = "changed"
	PasswordUnlocked = "unlocked"
	PasswordFirst    = "first"
)

// PasswordNotice says that a password was set or an account unlocked.
type PasswordNotice struct {
	What        string // one of the constants above
	UserID      string
	IP          string
	Browser     string
	SupportCode string
	At          time.Time
	// DisputeURL is the "this wasn't me" link, below the product's own address.
	DisputeURL string
}

// What happened to a method.
const (
	MethodAdded    = "added"
	MethodChanged  = "changed"
	MethodDeleted  = "deleted"
	MethodDisabled = "disabled"
	MethodIssued   = "issued" // by an administrator
	MethodCopied   = "copied" // switched off because it seems to exist twice
	// MethodConfirmed: the organization entered it, and the person proved that it is theirs.
	MethodConfirmed = "confirmed"
)

// MethodNotice says that security info changed.
type MethodNotice struct {
	Action      string // one of the constants above
	Kind        string // a method.Kind as text
	Masked      string // the method's masked value, empty for kinds without one
	UserID      string
	IP          string
	Browser     string
	SupportCode string
	At          time.Time
	UndoURL     string // for MethodDeleted: takes it back; below the product's own address
	DisputeURL  string
}

// RequestNotice tells the organization's support address that a person asks
// for help. Nothing in it is verified, and it says so.
type RequestNotice struct {
	UserID      string // the account's user ID
	Problem     string // a problem code of a dead end
	Text        string // what the person typed, at most 1,000 characters
	IP          string
	Browser     string
	SupportCode string
	At          time.Time
}

// RequestAnswer is what an administrator answers to a request. It holds no link.
type RequestAnswer struct {
	UserID      string // the account's user ID
	Text        string // at most 1,000 characters
	SupportCode string // of the request
	At          time.Time
}

// RequestDigest tells the support address how many requests wait.
type RequestDigest struct {
	Open, Unassigned int
	Oldest           time.Time
}

// DisputeNotice tells the support address that a person said "this wasn't me":
// resets of the account are frozen.
type DisputeNotice struct {
	UserID      string
	IP          string
	Browser     string
	SupportCode string
	At          time.Time
}

// AdminNotice tells administrators that the password of one of them was reset.
type AdminNotice struct {
	UserID      string // the administrator whose password was reset
	IP          string
	Browser     string
	SupportCode string
	At          time.Time
}

// RoleNotice tells an owner that a role was given or taken away.
type RoleNotice struct {
	Who   string // the user ID whose role it is; empty for a group
	Group string // the group of the directory; empty for a person
	Role  string // an org.Role as text; empty: none any more
	By    string // who did it: a user ID, or what a key is for; empty: on the server
	IP    string

	Browser     string
	SupportCode string
	At          time.Time
}

// DirectoryNotice tells an owner that the organization's directory is connected in
// another way.
type DirectoryNotice struct {
	Servers []string // as they are now; none: accounts are in Kunci's own database
	By      string   // who did it: a user ID, or what a key is for; empty: on the server
	IP      string

	Browser     string
	SupportCode string
	At          time.Time
}

// WebhookNotice tells an owner that nothing is sent to a receiver any more.
type WebhookNotice struct {
	Host  string
	Gone  bool   // it answered that it wants nothing any more; else nothing went through for days
	Code  string // why the last try failed, a short code
	Since time.Time
	At    time.Time
}

// PhoneNotice tells the support address that the organization's texts and calls
// pause, because hardly any of their codes are used.
type PhoneNotice struct {
	Sent, Passed int
	Until        time.Time
}

// The kinds of message, as they stand in the queue and in logs.
const (
	KindCode      = "code"
	KindPassword  = "password"
	KindMethod    = "method"
	KindRequest   = "request"
	KindDispute   = "dispute"
	KindAdmin     = "admin"
	KindPhone     = "phone"
	KindAnswer    = "answer"
	KindDigest    = "digest"
	KindRole      = "role"
	KindWebhook   = "webhook"
	KindDirectory = "directory"
)

func (Code) kind() string            { return KindCode }
func (PasswordNotice) kind() string  { return KindPassword }
func (MethodNotice) kind() string    { return KindMethod }
func (RequestNotice) kind() string   { return KindRequest }
func (DisputeNotice) kind() string   { return KindDispute }
func (AdminNotice) kind() string     { return KindAdmin }
func (PhoneNotice) kind() string     { return KindPhone }
func (RequestAnswer) kind() string   { return KindAnswer }
func (RequestDigest) kind() string   { return KindDigest }
func (RoleNotice) kind() string      { return KindRole }
func (WebhookNotice) kind() string   { return KindWebhook }
func (DirectoryNotice) kind() string { return KindDirectory }

// links gives the links of a body, which must lead to the product itself.
func links(b Body) []string {
	switch b := b.(type) {
	case PasswordNotice:
		return []string{b.DisputeURL}
	case MethodNotice:
		return []string{b.UndoURL, b.DisputeURL}
	}
	return nil
}

// payload is what waits sealed in the queue: everything a worker needs to write
// the message, so that it reads no other room's state.
type payload struct {
	Lang    string          `json:"lang"`
	OrgName string          `json:"org_name"`
	Color   string          `json:"color"`
	Zone    string          `json:"zone,omitempty"` // of the times in it
	Kind    string          `json:"kind"`
	Body    json.RawMessage `json:"body"`
	Own     *own            `json:"own,omitempty"`
	Test    bool            `json:"test,omitempty"`
}

func encode(m Message, lang string) ([]byte, error) {
	body, err := json.Marshal(m.Body)
	if err != nil {
		return nil, fmt.Errorf("message body: %w", err)
	}
	return json.Marshal(payload{
		Lang: lang, OrgName: m.Org.Name, Color: m.Org.Branding.Color, Zone: m.Org.TimeZone, Kind: m.Body.kind(), Body: body,
		Own: ownText(m, lang), Test: m.Test,
	})
}

// decode is the opposite of encode.
func decode(data []byte) (payload, Body, error) {
	var p payload
	if err := json.Unmarshal(data, &p); err != nil {
		return p, nil, fmt.Errorf("message payload: %w", err)
	}
	var body Body
	var err error
	switch p.Kind {
	case KindCode:
		body, err = into[Code](p.Body)
	case KindPassword:
		body, err = into[PasswordNotice](p.Body)
	case KindMethod:
		body, err = into[MethodNotice](p.Body)
	case KindRequest:
		body, err = into[RequestNotice](p.Body)
	case KindDispute:
		body, err = into[DisputeNotice](p.Body)
	case KindAdmin:
		body, err = into[AdminNotice](p.Body)
	case KindPhone:
		body, err = into[PhoneNotice](p.Body)
	case KindAnswer:
		body, err = into[RequestAnswer](p.Body)
	case KindDigest:
		body, err = into[RequestDigest](p.Body)
	case KindRole:
		body, err = into[RoleNotice](p.Body)
	case KindWebhook:
		body, err = into[WebhookNotice](p.Body)
	case KindDirectory:
		body, err = into[DirectoryNotice](p.Body)
	default:
		err = fmt.Errorf("unknown message kind %q", p.Kind)
	}
	return p, body, err
}

func into[T Body](data json.RawMessage) (Body, error) {
	var body T
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, fmt.Errorf("message body: %w", err)
	}
	return body, nil
}
