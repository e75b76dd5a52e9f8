package notify

import (
	"errors"
	"strings"
	"time"

	"kunci.dev/kunci/internal/i18n"
)

// document is a message in its language, without its form: the HTML part and
// the text part are both written from it, so they say the same.
type document struct {
	Lang, Dir string
	Org       string
	Color     string
	Subject   string
	Preview   string // what mail programs show beside the subject; never the code
	Heading   string
	Blocks    []block
	Footer    string
}

// part says which blocks an organization's own text takes the place of, or
// places. What has none stays after that text, whatever it says.
type part int

const (
	kept      part = iota
	replaced       // the product's sentence, which the text stands for
	ofCode         // stands where the text has {{code}}
	ofUndo         // … {{undo}}
	ofDispute      // … {{dispute}}
)

// block is one piece of a document; exactly one of the fields but part is set.
type block struct {
	part
	Text  string   // a paragraph
	Code  string   // the code, large
	Facts []fact   // a list of name and value
	Link  *link    // a button
	Quote []string // lines a stranger typed; never beside a link
	Note  string   // a paragraph that warns
}

// sentence is a block that an organization's own text takes the place of.
func sentence(text string) block { return block{part: replaced, Text: text} }

type fact struct{ Name, Value string }

type link struct{ Label, URL string }

// circumstances are what every message tells of the request behind it.
type circumstances struct {
	UserID, IP, Browser, SupportCode string
	At                               time.Time
}

type composer struct {
	p      *i18n.Printer
	org    string
	places Places // nil: addresses stand for themselves
}

func newComposer(lang, org string) composer { return composer{p: i18n.For(lang), org: orgName(org)} }

// compose writes a body in its language.
func (c composer) compose(color string, body Body) (document, error) {
	d := document{Lang: c.p.Lang(), Dir: c.p.Dir(), Org: c.org, Color: hexColor(color), Footer: c.t("notify.footer")}
	var key string
	switch b := body.(type) {
	case Code:
		key, d.Blocks = c.code(b)
	case PasswordNotice:
		key, d.Blocks = c.password(b)
	case MethodNotice:
		key, d.Blocks = c.method(b)
	case RequestNotice:
		key, d.Blocks = c.request(b)
	case DisputeNotice:
		key = "notify.dispute"
		d.Blocks = []block{sentence(c.t("notify.dispute.text")), c.facts(circumstances(b)), {Note: c.t("notify.dispute.advice")}}
	case AdminNotice:
		key = "notify.admin"
		d.Blocks = []block{sentence(c.t("notify.admin.text")), c.facts(circumstances(b)), {Note: c.t("notify.admin.advice")}}
	case RoleNotice:
		key, d.Blocks = c.role(b)
	case DirectoryNotice:
		key, d.Blocks = c.directory(b)
	case WebhookNotice:
		key, d.Blocks = c.webhook(b)
	case PhoneNotice:
		key, d.Blocks = "notify.phone", []block{
			sentence(c.t("notify.phone.text", "sent", b.Sent, "passed", b.Passed)), {Text: c.t("notify.phone.until", "until", c.p.DateTime(b.Until))},
			{Note: c.t("notify.phone.advice")},
		}
	case RequestAnswer:
		key, d.Blocks = c.answer(b)
	case RequestDigest:
		key, d.Blocks = "notify.digest", []block{
			sentence(c.t("notify.digest.text", "count", b.Open)), sentence(c.t("notify.digest.unassigned", "count", b.Unassigned)),
			sentence(c.t("notify.digest.oldest", "time", c.p.DateTime(b.Oldest))), {Note: c.t("notify.digest.advice")},
		}
	default:
		return document{}, errors.New("unknown message body")
	}
	d.Subject, d.Heading, d.Preview = c.t(key+".subject"), c.t(key+".heading"), c.t(key+".preview")
	return d, nil
}

// t gives a sentence; every sentence may name the organization.
func (c composer) t(key string, args ...any) string {
	return c.p.T(key, append([]any{"org", c.org}, args...)...)
}

func (c composer) code(b Code) (string, []block) {
	key := "notify.code." + oneOf(b.Purpose, purposes...)
	if b.Purpose == PurposeCaller {
		return key, c.callerCode(key, b)
	}
	return key, []block{
		sentence(c.t(key + ".text")),
		{part: ofCode, Code: digits(b.Code)},
		{Text: c.t("notify.code.valid", "count", b.Minutes)},
		{Note: c.t("notify.code.never")},
		c.facts(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At}),
		{Text: c.t(key + ".notyou")},
	}
}

// callerCode is a code that is read out, the only one of its kind: it says to
// whom, and neither a browser nor an address, which would be the agent's.
func (c composer) callerCode(key string, b Code) []block {
	return []block{
		sentence(c.t(key + ".text")),
		{part: ofCode, Code: digits(b.Code)},
		{Text: c.t("notify.code.valid", "count", b.Minutes)},
		{Note: c.t(key + ".only")},
		{Facts: []fact{
			{c.t("notify.fact.account"), plain(b.UserID, maxUserID)},
			{c.t("notify.fact.time"), c.p.DateTime(b.At)},
			{c.t("notify.fact.support"), supportCode(b.SupportCode)},
		}},
		{Text: c.t(key + ".notyou")},
	}
}

func (c composer) role(b RoleNotice) (string, []block) {
	who, by := plain(b.Who, maxUserID), plain(b.By, maxUserID)
	if b.Group != "" {
		who = c.t("notify.role.group", "name", plain(b.Group, maxName))
	}
	if by == "" {
		by = c.t("notify.role.server")
	}
	f := c.facts(circumstances{IP: b.IP, Browser: b.Browser, SupportCode: b.SupportCode, At: b.At})
	f.Facts = append([]fact{
		{c.t("notify.fact.account"), who},
		{c.t("notify.fact.role"), c.t("notify.role." + oneOf(b.Role, roles...))},
		{c.t("notify.fact.by"), by},
	}, f.Facts...)
	return "notify.role", []block{sentence(c.t("notify.role.text")), f, {Note: c.t("notify.role.advice")}}
}

func (c composer) directory(b DirectoryNotice) (string, []block) {
	where, by := c.t("notify.directory.here"), plain(b.By, maxUserID)
	if len(b.Servers) > 0 {
		where = plain(strings.Join(b.Servers, " "), maxUserID)
	}
	if by == "" {
		by = c.t("notify.role.server")
	}
	f := c.facts(circumstances{IP: b.IP, Browser: b.Browser, SupportCode: b.SupportCode, At: b.At})
	f.Facts = append([]fact{{c.t("notify.fact.servers"), where}, {c.t("notify.fact.by"), by}}, f.Facts...)
	return "notify.directory", []block{sentence(c.t("notify.directory.text")), f, {Note: c.t("notify.directory.advice")}}
}

func (c composer) webhook(b WebhookNotice) (string, []block) {
	text := "notify.webhook.text"
	if b.Gone {
		text = "notify.webhook.gone"
	}
	return "notify.webhook", []block{
		sentence(c.t(text)),
		{Facts: []fact{
			{c.t("notify.webhook.host"), plain(b.Host, maxUserID)},
			{c.t("notify.webhook.since"), c.p.DateTime(b.Since)},
			{c.t("notify.webhook.paused"), c.p.DateTime(b.At)},
			{c.t("notify.webhook.code"), plain(b.Code, maxName)},
		}},
		{Text: c.t("notify.webhook.waits")},
		{Note: c.t("notify.webhook.advice")},
	}
}

func (c composer) password(b PasswordNotice) (string, []block) {
	key := "notify.password." + oneOf(b.What, passwordNotices...)
	blocks := []block{
		sentence(c.t(key + ".text")),
		c.facts(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At}),
		sentence(c.t("notify.wasyou")),
	}
	return key, append(blocks, c.dispute(b.DisputeURL)...)
}

func (c composer) method(b MethodNotice) (string, []block) {
	key := "notify.method." + oneOf(b.Action, methodNotices...)
	facts := c.facts(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
	about := []fact{{c.t("notify.fact.method"), c.t("notify.kind." + kindName(b.Kind))}}
	if masked := plain(b.Masked, maxName); masked != "" {
		about = append(about, fact{c.t("notify.fact.value"), masked})
	}
	facts.Facts = append(about, facts.Facts...)
	blocks := []block{sentence(c.t(key + ".text")), facts}
	if b.UndoURL != "" {
		blocks = append(blocks, block{part: ofUndo, Text: c.t("notify.method.undo.text")},
			block{part: ofUndo, Link: &link{c.t("notify.method.undo.button"), b.UndoURL}})
	}
	if b.DisputeURL != "" {
		blocks = append(blocks, sentence(c.t("notify.wasyou")))
	}
	return key, append(blocks, c.dispute(b.DisputeURL)...)
}

func (c composer) request(b RequestNotice) (string, []block) {
	facts := c.facts(circumstances{b.UserID, b.IP, b.Browser, b.SupportCode, b.At})
	if b.Problem == "erasure" { // of somebody who is signed in
		return "notify.erasure", c.said(b, sentence(c.t("notify.erasure.text")), facts)
	}
	blocks := c.said(b,
		sentence(c.t("notify.request.text")),
		block{Note: c.t("notify.request.unverified")},
		facts,
		block{Text: c.t("notify.request.why." + oneOf(b.Problem, "not-enabled", "not-verified", "blocked", "directory-refused", "directory-unavailable", "other"))},
	)
	return "notify.request", append(blocks, block{Text: c.t("notify.request.advice")})
}

// said adds what the person wrote.
func (c composer) said(b RequestNotice, blocks ...block) []block {
	if lines := quoted(b.Text, 1000); len(lines) > 0 {
		return append(blocks, block{Text: c.t("notify.request.said")}, block{Quote: lines})
	}
	return append(blocks, block{Text: c.t("notify.request.silent")})
}

func (c composer) answer(b RequestAnswer) (string, []block) {
	return "notify.answer", []block{
		sentence(c.t("notify.answer.text")),
		{Quote: written(b.Text, 1000)},
		{Note: c.t("notify.answer.never")},
		{Facts: []fact{
			{c.t("notify.fact.account"), plain(b.UserID, maxUserID)},
			{c.t("notify.fact.time"), c.p.DateTime(b.At)},
			{c.t("notify.fact.support"), supportCode(b.SupportCode)},
		}},
	}
}

// dispute is the way out for somebody who did not do it.
func (c composer) dispute(url string) []block {
	if url == "" {
		return []block{{part: ofDispute, Text: c.t("notify.dispute.contact")}}
	}
	return []block{{part: ofDispute, Note: c.t("notify.dispute.explain")}, {part: ofDispute, Link: &link{c.t("notify.dispute.button"), url}}}
}

func (c composer) facts(f circumstances) block {
	var list []fact
	add := func(key, value string) {
		if value != "" {
			list = append(list, fact{c.t(key), value})
		}
	}
	add("notify.fact.account", plain(f.UserID, maxUserID))
	if !f.At.IsZero() {
		add("notify.fact.time", c.p.DateTime(f.At))
	}
	add("notify.fact.browser", c.browser(f.Browser))
	add("notify.fact.place", c.place(f.IP))
	add("notify.fact.support", supportCode(f.SupportCode))
	return block{Facts: list}
}

func (c composer) browser(agent string) string {
	browser, system := device(agent)
	switch {
	case browser != "" && system != "":
		return c.t("notify.browser.on", "browser", browser, "system", system)
	case browser != "":
		return browser
	case system != "":
		return system
	}
	return c.t("notify.browser.unknown")
}

// purposes are those a code's sentences are written for. An unknown one gets the
// last, whose sentence asks for the most care.
var purposes = []string{PurposeReset, PurposeSignIn, PurposeRegister, PurposeCaller, PurposeStepUp}

// roles are what a notice can name; none is of somebody who has no role any more.
var roles = []string{"owner", "policy_admin", "authentication_admin", "helpdesk", "auditor", "none"}

// passwordNotices and methodNotices are what notices are written for; an unknown
// one gets the last.
var (
	passwordNotices = []string{PasswordReset, PasswordChanged, PasswordUnlocked, PasswordFirst}
	methodNotices   = []string{MethodAdded, MethodChanged, MethodDeleted, MethodDisabled, MethodCopied, MethodIssued, MethodConfirmed}
)

// oneOf gives value when it is one of the known ones, else the last of them, so
// that no text from outside becomes part of a key.
func oneOf(value string, known ...string) string {
	for _, k := range known {
		if value == k {
			return k
		}
	}
	return known[len(known)-1]
}

func kindName(kind string) string {
	return oneOf(kind, "authenticator_code", "hardware_token", "authenticator_push", "passkey", "email", "mobile_phone",
		"office_phone", "security_questions", "recovery_code", "temporary_access_pass", "other")
}

func digits(code string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x80 && word(r) {
			return r
		}
		return -1
	}, code)
}

const defaultColor = "#0f6cbd"

// hexColor accepts #rrggbb alone: the value stands in a style attribute.
func hexColor(s string) string {
	if len(s) != 7 || s[0] != '#' || strings.Trim(s[1:], "0123456789abcdefABCDEF") != "" {
		return defaultColor
	}
	return s
}
