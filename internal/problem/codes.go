package problem

// The codes of the product. A code's sentence is "problem.<code>" in the
// catalogues; a test of the catalogues fails on a code without one.
const (
	// General.
	BadInput      Code = "bad-input"      // the form or document cannot be read
	ConfirmWrong  Code = "confirm-wrong"  // what was typed again is not the same
	Required      Code = "required"       // a field is empty that must not be
	TooLong       Code = "too-long"       // a field is longer than it may be
	NotFound      Code = "not-found"      // no such thing, or not for this person
	Conflict      Code = "conflict"       // somebody changed it in between
	Forbidden     Code = "forbidden"      // known, but not allowed
	CrossOrigin   Code = "cross-origin"   // the request came from another site
	Busy          Code = "busy"           // too much work at once; try again shortly
	Blocked       Code = "blocked"        // throttled
	Unavailable   Code = "unavailable"    // something underneath does not answer
	Internal      Code = "internal"       // a fault of ours
	CaptchaNeeded Code = "captcha-needed" // a proof of work or a wait is asked for
	WrongHost     Code = "wrong-host"     // asked under a name that is not ours
	DocumentWrong Code = "document-wrong" // a document has faults, which are listed
	WrongMethod   Code = "wrong-method"   // the page exists, this HTTP method does not
	ImportLive    Code = "import-live"    // an import of the organization is under way already
	FileKind      Code = "file-kind"      // a file whose kind cannot be told
	DomainInvalid Code = "domain-invalid" // not the name of a domain
	DomainLimit   Code = "domain-limit"   // as many domains wait for their proof as may
	CursorWrong   Code = "cursor-wrong"   // a list does not go on there: of another list, another organization, or none
	DaysWrong     Code = "days-wrong"     // not days, the last one before the first, or too many
	LogShorter    Code = "log-shorter"    // the audit log has fewer records than that
	BadRows       Code = "bad-rows"       // a file has rows that cannot be used, and nobody said to leave them out

	// Webhooks.
	WebhookAddress Code = "webhook-address" // not an address that events may go to
	WebhookLimit   Code = "webhook-limit"   // as many receivers as an organization may have

	// Requests with an idempotency key.
	IdempotencyMismatch Code = "idempotency-mismatch" // the key stands for another request
	IdempotencyRunning  Code = "idempotency-running"  // the same request is under way
	IdempotencyLost     Code = "idempotency-lost"     // it never ended; whether it acted nobody knows
	IdempotencyOnce     Code = "idempotency-once"     // it acted; its answer was told once and is not kept

	// Proving.
	CodeWrong        Code = "code-wrong"         // the answer is not the right one
	CodeExpired      Code = "code-expired"       // the code has outlived its minutes or was replaced
	CodeFormat       Code = "code-format"        // not a code at all: wrong length or characters
	CodeUsed         Code = "code-used"          // a code that was accepted before
	SendLimit        Code = "send-limit"         // too many messages; wait
	SendPaused       Code = "send-paused"        // texts and calls of the organization pause
	SendFailed       Code = "send-failed"        // a message could not be handed over
	SendOff          Code = "send-off"           // this installation has no gateway for it
	DestinationWrong Code = "destination-wrong"  // the number typed is not the registered one
	MethodDisabled   Code = "method-disabled"    // disabled after too many failures
	StillWriting     Code = "still-writing"      // the attempt before is still being finished
	PasskeyCopied    Code = "passkey-copied"     // its count went backwards: it exists twice
	MethodNotAllowed Code = "method-not-allowed" // not allowed by the policy, or not for this gate

	// Signing in.
	SignInWrong  Code = "signin-wrong"  // user ID or password is wrong
	SignInLocked Code = "signin-locked" // smart lockout
	Disabled     Code = "account-disabled"
	StepUp       Code = "step-up"      // a fresh proof is needed first
	SignedOut    Code = "signed-out"   // no session, or it ended
	RegisterNow  Code = "register-now" // a method is to be registered; nothing else does instead
	// RegisterElsewhere: methods are registered from the organization's networks only.
	RegisterElsewhere Code = "register-elsewhere"

	// Signing in at the organization's identity provider.
	ProviderUnavailable Code = "provider-unavailable" // it does not answer, or is not set up
	ProviderRefused     Code = "provider-refused"     // it says no, or the person cancelled there
	ProviderInvalid     Code = "provider-invalid"     // its answer cannot be believed
	ProviderUnknown     Code = "provider-unknown"     // nobody here is who it says
	ProviderOther       Code = "provider-other"       // it says somebody else than who signs in
	ProviderTaken       Code = "provider-taken"       // the account belongs to another identity there, or the identity to another account
	ProviderOld         Code = "provider-old"         // it does not say that the person was asked just now

	// Methods.
	AfterReset      Code = "after-reset"      // the password was reset lately; another method is needed to delete or change one
	MethodLimit     Code = "method-limit"     // as many of this kind as a person may have
	MethodDuplicate Code = "method-duplicate" // already registered
	MethodKind      Code = "method-kind"      // this kind cannot be registered here
	EmailInvalid    Code = "email-invalid"    // not an address mail can go to
	EmailOwnDomain  Code = "email-own-domain" // an address that needs the forgotten password
	UndoExpired     Code = "undo-expired"     // the seven days are over
	UndoForbidden   Code = "undo-forbidden"   // an administrator deleted it, and only one brings it back
	PhoneInvalid    Code = "phone-invalid"    // not a number that can exist
	PhoneCost       Code = "phone-cost"       // premium, shared-cost or service number
	PhoneNotMobile  Code = "phone-not-mobile" // cannot receive texts
	PhoneCountry    Code = "phone-country"    // a country the organization sends nothing to

	// Security questions.
	AnswersWrong  Code = "answers-wrong"  // at least one; which, nobody learns
	AnswerLength  Code = "answer-length"  // too short or too long
	AnswerTwice   Code = "answer-twice"   // the same answer to two questions
	AnswerWeak    Code = "answer-weak"    // what everybody would guess
	AnswerNamed   Code = "answer-named"   // holds the person's user ID or name
	AnswerRepeats Code = "answer-repeats" // made of the question's words
	QuestionTwice Code = "question-twice" // the same question chosen twice

	// Temporary Access Passes.
	PassMinutes Code = "pass-minutes"  // shorter or longer than the policy allows
	PassStart   Code = "pass-start"    // begins too far ahead
	PassWrong   Code = "pass-wrong"    // at sign-in: no pass, or not this one, or not now
	PassOneTime Code = "pass-one-time" // the policy allows only passes that work once

	// Helpdesk.
	CallerUnverified Code = "caller-unverified" // who calls has to be verified first
	AnswerLink       Code = "answer-link"       // an answer by mail holds an address or a link
	UserUnknown      Code = "user-unknown"      // nobody has the user ID that a role is for
	LastOwner        Code = "last-owner"        // an organization keeps an owner who is named
	NoOwnEmail       Code = "no-own-email"      // an administrator without a confirmed address asks for a test
	NoCallerCode     Code = "no-caller-code"    // no code was sent that could be read out

	// Administrators' directories.
	DirectoryPassword Code = "directory-password" // another server or account is tried, and the stored password is not used for it
	DirectoryInput    Code = "directory-input"    // a connection that was typed has faults
	DirectoryNotWell  Code = "directory-not-well" // a connection that is to be saved was tried and cannot be used
	DirectoryLeaves   Code = "directory-leaves"   // people leave their accounts here behind, and nobody said that they may

	// Passwords.
	PasswordMismatch Code = "password-mismatch" // the two entries differ
	PasswordRefused  Code = "password-refused"  // breaks a rule; Args["rule"] names it
	PasswordWrong    Code = "password-wrong"    // the current password is not right

	// Dead ends of a reset (the page /reset/problem shows them as data-problem).
	NotManaged           Code = "not-managed"
	NotEnabled           Code = "not-enabled"
	NotVerified          Code = "not-verified"
	DirectoryUnavailable Code = "directory-unavailable"
	DirectoryRefused     Code = "directory-refused"
	Expired              Code = "expired"
	Cookies              Code = "cookies"
	UpdateBrowser        Code = "update-browser"
)
