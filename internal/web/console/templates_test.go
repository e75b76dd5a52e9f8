package console

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/admin"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/ldap"
	"kunci.dev/kunci/internal/domain"
	"kunci.dev/kunci/internal/helpdesk"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/notify"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/provider"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/web/page"
	"kunci.dev/kunci/internal/webhook"
	"kunci.dev/kunci/internal/wording"
)

// A field or method that a template asks for and its struct lacks is found
// here, not by the person who opens the page.
func TestTemplatesFitTheirPages(t *testing.T) {
	folder, err := Templates()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := page.NewRenderer(slog.New(slog.DiscardHandler), folder)
	if err != nil {
		t.Fatal(err)
	}
	structs := map[string]any{
		"console_factor": &factorPage{}, "console_overview": &overviewPage{}, "console_people": &peoplePage{}, "console_person": &personPage{},
		"console_requests": &requestsPage{}, "console_request": &requestPage{}, "console_policy": &policyPage{}, "console_policy_document": &policyDocumentPage{},
		"console_reports": &reportsPage{}, "console_audit": &auditPage{}, "console_import": &importPage{}, "console_imported": &importedPage{},
		"console_messages": &messagesPage{}, "console_message_edit": &messagePage{}, "console_settings": &settingsPage{}, "console_administrators": &administratorsPage{}, "console_directory": &directoryPage{}, "console_branding": &brandingPage{}, "console_domains": &domainsPage{}, "console_webhooks": &webhooksPage{}, "console_help_texts": &helpTextsPage{}, "console_help_text": &helpTextPage{},
	}
	for name, data := range structs {
		template, err := pages.Template(name)
		if err != nil {
			t.Error(err)
			continue
		}
		if err := templatecheck.CheckHTML(template.Lookup("layout"), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range pages.Names() {
		if _, ok := structs[name]; !ok && name != "error" {
			t.Errorf("the template %s is checked against nothing", name)
		}
	}
}

// What a template puts together from a value has its words in every language.
func TestEveryValueHasItsWords(t *testing.T) {
	var keys []string
	for _, a := range []admin.Action{admin.Unlock, admin.ClearLimits, admin.RequireRegistration, admin.RevokeSessions, admin.RevokePass, admin.Unlink, admin.Freeze, admin.Unfreeze} {
		keys = append(keys, "console.act."+string(a), "console.act."+string(a)+".hint", "console.done."+string(a))
	}
	keys = append(keys, "console.done."+string(admin.ResolveRequest), "console.done.revoke_key", "console.done.assign", "console.done.release", "console.done.answer", "console.done.send_code", "console.done.verify_code", "console.done.erase_person", "console.done."+string(admin.ChangePolicy))
	for _, m := range wording.Messages() {
		keys = append(keys, "messages.name."+m.Name)
		for _, v := range m.Variables {
			keys = append(keys, "messages.variable."+v.Name)
		}
	}
	for _, lang := range i18n.Languages() {
		keys = append(keys, "messages.language."+lang)
	}
	for _, group := range strings.Fields("code sms password method desk") {
		keys = append(keys, "messages.group."+group)
	}
	for _, act := range []string{saveMessage, resetMessage, testMessage} {
		keys = append(keys, "console.act."+act, "console.done."+act)
	}
	keys = append(keys, "console.act."+previewBranding, "console.act."+saveBranding, "console.done."+saveBranding, "console.branding.sample.light", "console.branding.sample.dark")
	for _, name := range wording.Pages() {
		keys = append(keys, "console.help-texts.name."+name)
	}
	keys = append(keys, "console.done."+saveHelp, "console.done."+resetHelp)
	for _, s := range domain.States {
		keys = append(keys, "console.domains.state."+string(s))
	}
	for _, reason := range domain.Reasons {
		keys = append(keys, "console.domains.reason."+string(reason))
	}
	for _, act := range []string{addDomain, verifyDomain, removeDomain} {
		keys = append(keys, "console.act."+act, "console.done."+act)
	}
	for _, act := range []string{pauseWebhook, resumeWebhook, testWebhook, sendAgain, sendAllAgain, discard, discardAll, removeWebhook} {
		keys = append(keys, "console.act."+act, "console.done."+act)
	}
	for _, why := range webhook.Pauses {
		keys = append(keys, "console.hooks.paused."+string(why))
	}
	for _, state := range []webhook.State{webhook.Live, webhook.Failed, webhook.Paused} {
		keys = append(keys, "console.hooks.state."+string(state))
	}
	for _, act := range []string{grantRole, revokeRole} {
		keys = append(keys, "console.act."+act, "console.done."+act)
	}
	for _, r := range keyRoles {
		keys = append(keys, "console.role."+string(r))
	}
	for _, p := range places {
		keys = append(keys, "console.nav."+p.name)
	}
	for _, o := range []audit.Outcome{audit.Success, audit.Failure, audit.Denied} {
		keys = append(keys, "console.outcome."+string(o))
	}
	for _, k := range audit.Kinds {
		keys = append(keys, "event."+string(k))
	}
	for _, as := range []string{asTarget, asAdministrator} {
		keys = append(keys, "console.audit.as."+as)
	}
	for _, k := range []audit.ActorKind{audit.Person, audit.Anonymous, audit.Admin, audit.CLI, audit.System} {
		keys = append(keys, "console.actor."+string(k))
	}
	for _, s := range []notify.State{notify.Queued, notify.Sent, notify.Failed, notify.Expired} {
		keys = append(keys, "console.message."+string(s))
	}
	for _, c := range []notify.Channel{notify.ByMail, notify.ByText, notify.ByCall} {
		keys = append(keys, "console.message.by."+string(c))
	}
	for _, c := range strings.Fields("not-enabled not-verified not-managed blocked directory-unavailable directory-refused expired cookies update-browser " + string(helpdesk.ProblemDispute) + " " + string(helpdesk.ProblemErasure)) {
		keys = append(keys, "console.problem."+c)
	}
	for _, s := range account.BulkStates {
		keys = append(keys, "console.import.state."+string(s), "console.import.text."+string(s))
	}
	for _, s := range shows[1:] {
		keys = append(keys, "console.show."+string(s), "console.state."+string(s))
	}
	for _, kind := range append(method.Kinds(), session.ByProvider) {
		keys = append(keys, "kind."+string(kind))
	}
	for _, s := range []report.Step{report.ByDay, report.ByWeek, report.ByMonth} {
		keys = append(keys, "report.resets."+string(s), "report.from."+string(s))
	}
	for _, code := range ldap.Codes {
		bad := ldap.Finding{Code: code}.Key()
		keys = append(keys, bad, bad+".mend", ldap.Finding{Code: code, OK: true}.Key())
	}
	for _, reason := range provider.Reasons {
		keys = append(keys, "console.idp.reason."+reason)
	}
	for _, factor := range []string{org.AskFactor, org.TrustAMR} {
		keys = append(keys, "console.idp.factor."+factor)
	}
	for _, field := range strings.Fields("urls authorities bind_dn base_dn user_filter") {
		keys = append(keys, "console.directory.wrong."+field)
	}
	for key := range (org.DirectoryAttributes{}).Named() {
		keys = append(keys, "console.directory.attribute."+key)
	}
	for _, lang := range i18n.Languages() {
		for _, key := range keys {
			if !i18n.For(lang).Has(key) {
				t.Errorf("%s lacks %s", lang, key)
			}
		}
	}
}
