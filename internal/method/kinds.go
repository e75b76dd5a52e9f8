package method

// Kind is a way of proving who one is. The names are stable: they stand in
// policies, pages, events and rows.
type Kind string

const (
	Passkey             Kind = "passkey"               // WebAuthn credential
	AuthenticatorCode   Kind = "authenticator_code"    // TOTP in any app (RFC 6238)
	AuthenticatorPush   Kind = "authenticator_push"    // number typed on a subscribed device
	HardwareToken       Kind = "hardware_token"        // OATH token handed out by an administrator
	RecoveryCode        Kind = "recovery_code"         // one set of ten one-time codes on paper
	Email               Kind = "email"                 // a mailbox outside the organization
	MobilePhone         Kind = "mobile_phone"          // text message or call
	OfficePhone         Kind = "office_phone"          // call, with an extension
	SecurityQuestions   Kind = "security_questions"    // one set of questions and answers
	TemporaryAccessPass Kind = "temporary_access_pass" // issued by an administrator
)

// Class is what a kind really rests on. Two gates of one class would be proved
// by stealing one thing, so a second gate is always of another class.
type Class string

const (
	Mailbox       Class = "mailbox"
	PhoneLine     Class = "phone_line"
	Authenticator Class = "authenticator"
	PasskeyClass  Class = "passkey"
	Paper         Class = "paper"
	Knowledge     Class = "knowledge"
	Pass          Class = "pass"
)

// facts is what holds for one kind everywhere.
type facts struct {
	kind   Kind
	class  Class
	reset  bool // proves a gate of a reset
	signIn bool // proves a second factor at sign-in
	limit  int  // per person, over the kinds that share the limit
	shares Kind // the kind whose limit this one counts into
	built  bool
}

// table is in the order in which methods are offered: strongest first.
var table = []facts{
	{Passkey, PasskeyClass, true, true, 10, Passkey, true},
	{AuthenticatorCode, Authenticator, true, true, 5, AuthenticatorCode, true},
	{AuthenticatorPush, Authenticator, true, true, 5, AuthenticatorPush, true},
	{HardwareToken, Authenticator, true, true, 5, AuthenticatorCode, true},
	{RecoveryCode, Paper, true, true, 1, RecoveryCode, true},
	{Email, Mailbox, true, false, 2, Email, true},
	{MobilePhone, PhoneLine, true, true, 2, MobilePhone, true},
	{OfficePhone, PhoneLine, true, true, 1, OfficePhone, true},
	{SecurityQuestions, Knowledge, true, false, 1, SecurityQuestions, true},
	{TemporaryAccessPass, Pass, true, true, 1, TemporaryAccessPass, true},
}

func (k Kind) facts() facts {
	for _, f := range table {
		if f.kind == k {
			return f
		}
	}
	return facts{}
}

// Kinds lists every kind, strongest first.
func Kinds() []Kind {
	kinds := make([]Kind, len(table))
	for i, f := range table {
		kinds[i] = f.kind
	}
	return kinds
}

// ParseKind reads the stable name of a kind.
func ParseKind(name string) (Kind, bool) {
	k := Kind(name)
	return k, k.Known()
}

// Known tells whether this is a kind at all.
func (k Kind) Known() bool { return k.facts().kind != "" }

// Class is what the kind rests on; empty for an unknown kind.
func (k Kind) Class() Class { return k.facts().class }

// ProvesReset tells whether the kind can pass a gate of a reset where the
// policy allows it.
func (k Kind) ProvesReset() bool { return k.facts().reset }

// ProvesSignIn tells whether the kind can be a second factor.
func (k Kind) ProvesSignIn() bool { return k.facts().signIn }

// Limit is how many a person may have. Apps and hardware tokens share one
// limit; recovery codes and questions count as one set.
func (k Kind) Limit() int { return k.facts().limit }

// SharesLimit tells whether two kinds count into one limit.
func (k Kind) SharesLimit(other Kind) bool {
	return k.Known() && k.facts().shares == other.facts().shares
}

// Built tells whether this version can register and verify the kind. A policy
// may name a kind before it is built; it is then never offered.
func (k Kind) Built() bool { return k.facts().built }

// Typed tells whether the kind is proved by a code that is typed, so that the
// page need not show anything of the account's.
func (k Kind) Typed() bool {
	switch k {
	case AuthenticatorCode, HardwareToken, RecoveryCode, Email, MobilePhone, OfficePhone, TemporaryAccessPass:
		return true
	}
	return false
}

// Strength orders kinds for offering: 0 is the strongest, unknown kinds last.
func (k Kind) Strength() int {
	for i, f := range table {
		if f.kind == k {
			return i
		}
	}
	return len(table)
}

// Replaced tells whether a person has one of the kind, and a new one takes the
// place of the one before.
func (k Kind) Replaced() bool {
	switch k {
	case RecoveryCode, SecurityQuestions, TemporaryAccessPass:
		return true
	}
	return false
}

// sharing lists the kinds that count into the same limit as k, k included.
func (k Kind) sharing() []Kind {
	var kinds []Kind
	for _, f := range table {
		if f.shares == k.facts().shares && f.shares != "" {
			kinds = append(kinds, f.kind)
		}
	}
	return kinds
}
