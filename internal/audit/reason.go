package audit

import "slices"

// Reasons lists every reason. Each has words in every catalogue, under "reason." and
// its code; exports and programs get the code.
var Reasons = []string{
	// Why somebody asks for a reset, where they left it, and why it ended.
	"forgot", "never_received", "locked",
	"choosing", "verifying", "choosing-password", "writing", "replaced", "cancelled", "denied",
	"not-enabled", "not-verified", "not-managed", "blocked", "directory-unavailable", "directory-refused", "expired", "cookies", "update-browser",
	"gone", "fault", "dispute", "erasure",
	// Rules that a new password broke, here and in the directory.
	"too_short", "too_long", "classes", "control_character", "banned", "contains_name", "breached", "history", "minimum_age", "length", "complexity",
	"external", "unreadable", "other",
	// Answers that proved nothing, and passwords that let nobody in.
	"code-wrong", "code-expired", "code-used", "code-format", "answers-wrong", "passkey-copied", "destination-wrong", "method-disabled",
	"method-not-allowed", "send-limit", "send-paused", "send-failed", "pass-wrong",
	"signin-wrong", "signin-locked", "account-disabled",
	"provider-refused", "provider-invalid", "provider-unknown", "provider-other", "provider-taken", "provider-old",
	// Limits that were reached.
	"gate", "resets", "identity_failures", "organization_failures", "address", "password", "pass", "email_sends", "push_sends",
	"phone_sends", "phone_per_day", "phone_number", "phone_organization", "phone_completion", "frozen", "unfrozen",
	// What a pass was used for, and sessions.
	"reset", "signin", "register", "stepup", "caller", "signed-out", "one", "all",
	// Who or what changed a method, or how.
	"administrator", "operator", "import", "directory", "confirmed", "declined", "undone", "made-final", "early", "renamed", "disabled", "copied",
	"subscribed", "unsubscribed", "registration-required", "identity-bound",
	"token_import", "token_assigned", "token_activated", "token_taken", "token_dropped",
	// What administrators did.
	"taken", "released", "role-granted", "role-revoked", "api-key-created", "api-key-revoked", "list-asked", "password-needed",
	"domain-asked", "domain-dropped", "domain-record-gone", "domain-record-back",
	"webhook-added", "webhook-removed", "webhook-paused", "webhook-resumed", "webhook-sent-again", "webhook-discarded", "webhook-set-aside",
	"audit", erased, "method-value", "people", "person",
}

// Unlisted is what Record tells the program's log about a reason that is not in the
// list: the event matters more than its words.
const Unlisted = "a reason of an event is not in the list"

// unlisted tells a reason that would be shown without words.
func unlisted(reason string) bool { return reason != "" && !slices.Contains(Reasons, reason) }
