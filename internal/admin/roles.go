package admin

import (
	"slices"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
)

// Action is something that can be allowed or not.
type Action string

// The actions.
const (
	SeeOverview         Action = "see_overview"
	SeePeople           Action = "see_people"
	ImportPeople        Action = "import_people"
	ExportPeople        Action = "export_people"
	Unlock              Action = "unlock"
	ClearLimits         Action = "clear_limits"
	RequireRegistration Action = "require_registration"
	RevokeSessions      Action = "revoke_sessions"
	Freeze              Action = "freeze"
	Unfreeze            Action = "unfreeze"
	VerifyCaller        Action = "verify_caller"
	IssuePass           Action = "issue_pass"
	RevokePass          Action = "revoke_pass"
	Unlink              Action = "unlink" // from the identity at the organization's provider
	SeeValues           Action = "see_values"
	ManageMethods       Action = "manage_methods" // of a person: enter and change addresses and numbers, delete and bring back any
	ExportPerson        Action = "export_person"
	ErasePerson         Action = "erase_person"
	SeeRequests         Action = "see_requests"
	ResolveRequest      Action = "resolve_request"
	SeePolicy           Action = "see_policy"
	ChangePolicy        Action = "change_policy"
	SeeReports          Action = "see_reports"
	SeeAudit            Action = "see_audit"
	ExportAudit         Action = "export_audit"
	SeeMessages         Action = "see_messages"
	SeeSettings         Action = "see_settings"
	ChangeMessages      Action = "change_messages"
	ManageKeys          Action = "manage_keys"
	ChangeBranding      Action = "change_branding"
	ManageDomains       Action = "manage_domains"
	ManageWebhooks      Action = "manage_webhooks"
	SeeDirectory        Action = "see_directory"
	TestDirectory       Action = "test_directory"
	ConnectDirectory    Action = "connect_directory"

	ManageAdministrators Action = "manage_administrators"
)

// FrontEnd is the role of a key, never of a person: its program leads people back
// in on pages of its own, and administers nothing. It says from which address they
// come, which is believed.
const FrontEnd org.Role = "reset"

// LeadResets is what FrontEnd may do, and no other role: an owner's key would
// otherwise be believed where people come from.
const LeadResets Action = "lead_resets"

// Actions lists every action of administrators.
var Actions = []Action{
	SeeOverview, SeePeople, ImportPeople, ExportPeople, Unlock, ClearLimits, RequireRegistration, RevokeSessions, Freeze, Unfreeze,
	VerifyCaller, IssuePass, RevokePass, Unlink, SeeValues, ManageMethods, ExportPerson, ErasePerson,
	SeeRequests, ResolveRequest, SeePolicy, ChangePolicy, SeeReports, SeeAudit, ExportAudit, SeeMessages, SeeSettings, ManageKeys,
	ChangeMessages, ChangeBranding, ManageDomains, ManageWebhooks, SeeDirectory, TestDirectory, ConnectDirectory, ManageAdministrators,
}

// allowed is the table of roles. An owner may do everything.
var allowed = map[org.Role][]Action{
	org.PolicyAdmin: {SeeOverview, SeePeople, SeePolicy, ChangePolicy, SeeReports, SeeAudit, SeeMessages, SeeSettings, ChangeMessages, SeeDirectory},
	org.AuthenticationAdmin: {
		SeeOverview, SeePeople, Unlock, ClearLimits, RequireRegistration, RevokeSessions, Freeze, Unfreeze,
		ImportPeople, ExportPeople, VerifyCaller, IssuePass, RevokePass, Unlink, SeeValues, ManageMethods, ExportPerson, SeeRequests, ResolveRequest, SeePolicy, SeeReports, SeeAudit, SeeMessages,
	},
	org.Helpdesk: {
		SeeOverview, SeePeople, Unlock, ClearLimits, RevokeSessions, Freeze, VerifyCaller, IssuePass, RevokePass, SeeRequests, ResolveRequest,
	},
	FrontEnd:    {LeadResets},
	org.Auditor: {SeeOverview, SeePeople, ExportPeople, SeePolicy, SeeReports, SeeAudit, ExportAudit, SeeMessages, SeeSettings, SeeDirectory},
}

// May tells whether a role may do something at all.
func May(r org.Role, a Action) bool {
	if r == org.Owner {
		return slices.Contains(Actions, a)
	}
	return slices.Contains(allowed[r], a)
}

// Authority is somebody who acts, with what they may.
type Authority struct {
	By audit.Actor
	// Role is empty for the operator of the machine, who may do everything.
	Role org.Role
	// Fresh tells that a person proved their second factor moments ago; of a key never.
	Fresh bool
}

// Operator is whoever may run the program on the server.
func Operator() Authority { return Authority{By: audit.Actor{Kind: audit.CLI}} }

// May tells whether the authority may do something at all.
func (a Authority) May(what Action) bool {
	return a.operator() || May(a.Role, what)
}

func (a Authority) operator() bool { return a.Role == "" && a.By.Kind == audit.CLI }

// rank is how high a role stands; somebody without one is below all.
func rank(r org.Role) int {
	if i := slices.Index(org.Roles, r); i >= 0 {
		return len(org.Roles) - i
	}
	return 0
}

// refuse says why the authority may not do something to an account of a role,
// nil when it may. Nobody acts upward, nor on an equal who is not themselves
// below them, nor on themselves: an administrator who lost a session to somebody
// must not lose their own security info with it.
func (a Authority) refuse(what Action, accountID string, target org.Role) error {
	switch {
	case !a.May(what):
	case a.operator():
		return nil
	case a.By.Account == "" || a.By.Account == accountID:
	case a.Role != org.Owner && rank(target) >= rank(a.Role):
	default:
		return nil
	}
	return problem.New(problem.Forbidden)
}
