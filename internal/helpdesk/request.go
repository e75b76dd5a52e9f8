package helpdesk

import (
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// ProblemDispute is the problem of a request that "this wasn't me" opens.
const ProblemDispute problem.Code = "dispute"

// ProblemErasure is the problem of a request of somebody who is signed in and asks
// to have their data erased.
const ProblemErasure problem.Code = "erasure"

// sort tells requests apart that do not wait for one another: one of each may be
// open, and be sent in a day.
func sort(p problem.Code) string {
	switch p {
	case ProblemDispute, ProblemErasure:
		return string(p)
	}
	return "request"
}

// MaxMessage is the longest message of a request, in code points.
const MaxMessage = 1000

// In is what a person sends.
type In struct {
	Org *org.Organization
	// AccountID is empty for an account that does not exist.
	AccountID string
	// UserID is what the person typed, or the account's user ID.
	UserID string
	// Problem is the dead end they stand at, ProblemDispute or ProblemErasure.
	Problem problem.Code
	// Message is what they wrote; it may be empty.
	Message string
}

// State of a request.
type State string

// The states.
const (
	StateOpen     State = "open"
	StateResolved State = "resolved"
)

// Request is one request, opened.
type Request struct {
	ID          string
	OrgID       string
	AccountID   string
	UserID      string
	Problem     problem.Code
	Message     string
	State       State
	SupportCode string // the correlation id of the request it was sent with
	OpenedAt    time.Time
	ResolvedAt  time.Time
	ResolvedBy  string // user ID of who resolved it
	Note        string // what they wrote down
	AssignedTo  string // account of who works on it; empty: nobody
	Assignee    string // user ID of who works on it
	Answers     []Answer
}

// Answer is what was mailed to the person.
type Answer struct {
	At   time.Time `json:"at"`
	By   string    `json:"by"` // user ID of who wrote it
	To   string    `json:"to"` // the address, masked
	Text string    `json:"text"`
}

// Nobody picks the requests that nobody works on.
const Nobody = "-"

// Query picks requests: the newest first.
type Query struct {
	OrgID string
	State State // empty: any
	// AssignedTo is an account, or Nobody; empty: whoever works on it.
	AssignedTo string
	Problem    problem.Code // empty: any
	Before     string       // id of the last one of the page before; empty: from the newest
	Limit      int          // at most 200; 0 means 50
}
