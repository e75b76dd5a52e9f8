package wording

import "slices"

// Text is an organization's own text of one message in one language.
type Text struct {
	Message  string `json:"message"`  // a name of Messages
	Language string `json:"language"` // id, en
	Subject  string `json:"subject,omitzero"`
	Text     string `json:"text"`
}

// Stands is the place of the text among an organization's own.
func (t Text) Stands() (message, language string) { return t.Message, t.Language }

// Variable is one value that a text may name.
type Variable struct {
	Name string
	// Required: without it the message would not do what it is for.
	Required bool
	// Alone: it stands on a line of its own, because it becomes a thing of its own:
	// the large code, a button.
	Alone bool
}

// Message is one message that leaves the product.
type Message struct {
	Name      string // code.reset
	Phone     bool   // a text message: one line, no subject
	Variables []Variable
}

// The variables.
const (
	Org          = "org"
	Code         = "code"
	Minutes      = "minutes"
	UserID       = "user_id"
	Time         = "time"
	Browser      = "browser"
	Place        = "place"
	SupportCode  = "support_code"
	Method       = "method"
	Undo         = "undo"
	Dispute      = "dispute"
	Count        = "count"
	Unassigned   = "unassigned"
	Sent         = "sent"
	Passed       = "passed"
	SupportEmail = "support_email"
	SupportPhone = "support_phone"
)

func optional(names ...string) (all []Variable) {
	for _, name := range names {
		all = append(all, Variable{Name: name})
	}
	return all
}

var messages = build()

func build() (all []Message) {
	add := func(name string, first []Variable, more ...string) {
		all = append(all, Message{Name: name, Variables: append(first, optional(more...)...)})
	}
	code, dispute := Variable{Code, true, true}, Variable{Dispute, true, true}
	around := []string{Org, UserID, Time, Browser, Place, SupportCode}
	person := append(slices.Clone(around), SupportEmail, SupportPhone)
	for _, name := range []string{"reset", "signin", "register", "stepup"} {
		add("code."+name, []Variable{code}, append([]string{Minutes}, person...)...)
	}
	add("code.caller", []Variable{code}, Org, Minutes, UserID, Time, SupportCode)
	for _, name := range []string{"reset", "changed", "unlocked", "first"} {
		add("password."+name, []Variable{dispute}, person...)
	}
	for _, name := range []string{"added", "changed", "deleted", "disabled", "copied", "issued"} {
		required := []Variable{dispute}
		if name == "deleted" {
			required = []Variable{{Undo, true, true}, dispute}
		}
		add("method."+name, required, append([]string{Method}, person...)...)
	}
	add("answer", nil, Org, UserID, Time, SupportCode, SupportEmail, SupportPhone)
	add("request", nil, around...)
	add("dispute", nil, around...)
	add("admin", nil, around...)
	add("digest", nil, Org, Count, Unassigned, Time)
	add("phone", nil, Org, Sent, Passed, Time)
	for _, name := range []string{"reset", "signin", "register", "stepup"} {
		all = append(all, Message{"sms." + name, true, []Variable{{Code, true, false}, {Org, true, false}, {Name: Minutes}}})
	}
	return all
}

// Messages lists every message whose text can be written.
func Messages() []Message { return slices.Clone(messages) }

// Find gives a message by its name.
func Find(name string) (Message, bool) {
	i := slices.IndexFunc(messages, func(m Message) bool { return m.Name == name })
	if i < 0 {
		return Message{}, false
	}
	return messages[i], true
}

func (m Message) variable(name string) (Variable, bool) {
	i := slices.IndexFunc(m.Variables, func(v Variable) bool { return v.Name == name })
	if i < 0 {
		return Variable{}, false
	}
	return m.Variables[i], true
}
