package org

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/throttle"
)

var (
	slugForm   = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$`)
	domainForm = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]$`)
	colorForm  = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)
)

// checker collects what is wrong.
type checker struct{ problems []Problem }

func (c *checker) refuse(key, format string, args ...any) {
	c.problems = append(c.problems, Problem{Key: key, Text: fmt.Sprintf(format, args...)})
}

// say refuses a key with a sentence of the catalogues, so that the console and the
// API say it in the administrator's language; a file gets the English one.
func (c *checker) say(key, code string, args ...any) {
	c.problems = append(c.problems, sentence(key, code, args...))
}

// sentence is the problem that the catalogues call fault.CODE.
func sentence(key, code string, args ...any) Problem {
	named := filled(args)
	return Problem{Key: key, Text: i18n.For("en").TMap("fault."+code, named), code: code, args: named}
}

// filled are the arguments of a sentence, from name, value pairs.
func filled(pairs []any) map[string]any {
	named := make(map[string]any, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		named[pairs[i].(string)] = pairs[i+1]
	}
	return named
}

func (c *checker) between(key string, n, least, most int) {
	if n < least || n > most {
		c.say(key, "between", "least", least, "most", most)
	}
}

func (c *checker) oneOf(key, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.say(key, "one_of", "choices", strings.Join(allowed, ", "))
	}
}

// Check gives everything that is wrong with a document, by key.
func (d *Document) Check() []Problem {
	c := &checker{}
	d.checkNames(c)
	d.checkPeople(c)
	d.checkMessages(c)
	d.checkHelpTexts(c)
	d.Policy.check(c)
	c.problems = append(c.problems, d.Policy.forbidden()...)
	slices.SortStableFunc(c.problems, func(a, b Problem) int { return strings.Compare(a.Key, b.Key) })
	return c.problems
}

func (d *Document) checkNames(c *checker) {
	if !slugForm.MatchString(d.Slug) {
		c.refuse("organization", "expected a short name of lower-case letters, digits and hyphens, such as contoso")
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(d.Name)); n < 1 || n > 100 || strings.ContainsFunc(d.Name, notPrintable) {
		c.say("name", "name", "most", 100)
	}
	if len(d.Domains) == 0 {
		c.say("domains", "domains")
	}
	for i, domain := range d.Domains {
		d.Domains[i] = asciiLower(strings.TrimSpace(domain))
		if !IsDomain(d.Domains[i]) {
			c.refuse(fmt.Sprintf("domains[%d]", i), "%q is no domain; write it like contoso.com (international names in their xn-- form)", domain)
		} else if slices.Contains(d.Domains[:i], d.Domains[i]) {
			c.refuse(fmt.Sprintf("domains[%d]", i), "%q stands twice", domain)
		}
	}
	c.oneOf("language", d.Language, i18n.Languages()...)
	if _, ok := i18n.Zone(d.TimeZone); !ok {
		c.say("time_zone", "time_zone")
	}
	d.checkBranding(c)
	c.directory(&d.Directory)
	c.provider(&d.IdentityProvider)
}

// notPrintable are characters that cannot be seen or that reorder what is (AC-121).
func notPrintable(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
}

func (d *Document) checkPeople(c *checker) {
	d.checkSupport(c)
	owners := 0
	for i := range d.Administrators {
		a := &d.Administrators[i]
		a.UserID = normalize(a.UserID)
		key := fmt.Sprintf("administrators[%d]", i)
		switch {
		case a.UserID != "" && a.Group != "", a.UserID == "" && a.Group == "":
			c.refuse(key, "expected either a user_id or a group")
		case a.Group != "":
			if a.Group != strings.TrimSpace(a.Group) || utf8.RuneCountInString(a.Group) > 256 || strings.ContainsFunc(a.Group, notPrintable) {
				c.refuse(key, "expected the name of a group as the directory spells it")
			}
		case !slices.Contains(d.Domains, DomainOf(a.UserID)):
			c.say(key, "administrator_domain", "user_id", a.UserID)
		}
		if !slices.Contains(Roles, a.Role) {
			c.refuse(key, "expected a role: owner, policy_admin, authentication_admin, helpdesk, auditor")
		}
		for _, before := range d.Administrators[:i] {
			switch {
			case a.Group != "" && before.Group == a.Group:
				c.refuse(key, "the group %s stands twice; a group has one role", a.Group)
			case a.Group == "" && a.UserID != "" && before.UserID == a.UserID:
				c.refuse(key, "%s stands twice; a person has one role", a.UserID)
			}
		}
		if a.Role == Owner && a.Group == "" {
			owners++
		}
	}
	if len(d.Administrators) > 0 && owners == 0 {
		c.refuse("administrators", "expected at least one owner with a user_id: a group can become empty")
	}
}

// longestTime bounds every window and lock.
const longestTime = 366 * 24 * time.Hour

func (p *Policy) check(c *checker) {
	r := p.Reset
	c.oneOf("policy.reset.scope", r.Scope, PolicyChoices()["reset.scope"]...)
	if r.Scope == ScopeSelected && len(r.Groups) == 0 {
		c.say("policy.reset.groups", "groups")
	}
	c.between("policy.reset.gates", r.Gates, 1, 2)
	c.oneOf("policy.reset.privileged", r.Privileged, PolicyChoices()["reset.privileged"]...)
	if !r.DiscloseStatus && !slices.ContainsFunc(r.Methods, func(k method.Kind) bool { return k.Typed() && k.Built() }) {
		c.say("policy.reset.disclose_status", "hidden")
	}
	p.checkMethods(c)
	c.between("policy.registration.reconfirm_after_days", p.Registration.ReconfirmAfterDays, 0, 730)
	c.between("policy.registration.skips_allowed", p.Registration.SkipsAllowed, 0, 100)
	c.between("policy.registration.skip_days", p.Registration.SkipDays, 0, 365)
	for i, text := range p.Registration.Networks {
		key := fmt.Sprintf("policy.registration.networks[%d]", i)
		switch _, err := netip.ParsePrefix(text); {
		case err != nil:
			c.say(key, "network")
		case slices.Contains(p.Registration.Networks[:i], text):
			c.say(key, "twice", "value", text)
		}
	}
	c.between("policy.questions.to_register", p.Questions.ToRegister, 3, 5)
	c.between("policy.questions.to_reset", p.Questions.ToReset, 3, p.Questions.ToRegister)
	p.checkQuestions(c)
	c.between("policy.administrators.gates", p.Administrators.Gates, 2, 2)
	c.oneOf("policy.notifications.helpdesk_mail", p.Notifications.HelpdeskMail, PolicyChoices()["notifications.helpdesk_mail"]...)
	c.oneOf("policy.captcha", p.Captcha, PolicyChoices()["captcha"]...)
	c.between("policy.codes.digits", p.Codes.Digits, 6, 12)
	c.between("policy.codes.minutes", p.Codes.Minutes, 1, 10) // ASVS 6.5.5
	c.between("policy.phone.per_day", p.Phone.PerDay, 1, 100)
	if len(p.Phone.Countries) == 0 && slices.ContainsFunc(p.Reset.Methods, phone) && !p.presetMethods() {
		c.say("policy.phone.countries", "countries")
	}
	for i, country := range p.Phone.Countries {
		key := fmt.Sprintf("policy.phone.countries[%d]", i)
		switch {
		case !method.KnownCountry(country):
			c.say(key, "country")
		case slices.Contains(p.Phone.Countries[:i], country):
			c.say(key, "twice", "value", country)
		}
	}
	c.between("policy.new_method_waiting_hours", p.NewMethodWaitingHours, 0, 720)
	c.between("policy.after_reset_hours", p.AfterResetHours, 0, 720)
	p.checkPassword(c)
	p.checkLimits(c)
}

func (p *Policy) checkMethods(c *checker) {
	if len(p.Reset.Methods) == 0 {
		c.say("policy.reset.methods", "no_methods")
	}
	for i, kind := range p.Reset.Methods {
		key := fmt.Sprintf("policy.reset.methods[%d]", i)
		switch {
		case !kind.Known() || !kind.ProvesReset() || kind == method.TemporaryAccessPass:
			c.say(key, "kind", "value", string(kind), "kinds", strings.Join(nameable(), ", "))
		case slices.Contains(p.Reset.Methods[:i], kind):
			c.say(key, "twice", "value", string(kind))
		}
	}
	if !slices.ContainsFunc(p.Reset.Methods, method.Kind.Built) {
		c.say("policy.reset.methods", "no_methods")
	}
	if slices.Contains(p.Reset.Methods, method.SecurityQuestions) && p.Reset.Gates < 2 {
		c.say("policy.reset.methods", "questions_alone")
	}
	p.checkPairs(c)
}

// checkPairs refuses two gates that nobody could pass: of the kinds that are
// named, no two may stand together. It says which would help.
func (p *Policy) checkPairs(c *checker) {
	usable := slices.DeleteFunc(slices.Clone(p.Reset.Methods), func(k method.Kind) bool {
		return !k.Known() || !k.Built() || k.Class() == method.PhoneLine && len(p.Phone.Countries) == 0
	})
	if p.Reset.Gates < 2 || len(usable) == 0 || p.pairs(usable, usable) {
		return
	}
	var named, help []string
	for _, k := range usable {
		named = append(named, string(k))
	}
	for _, k := range method.Kinds() {
		if slices.Contains(nameable(), string(k)) && k.Class() != method.PhoneLine && p.pairs(usable, []method.Kind{k}) {
			help = append(help, string(k))
		}
	}
	why := "pair_sort"
	switch {
	case len(named) == 1:
		why = "pair_alone"
	case p.Preset != PresetKunci:
		why = "pair_preset"
	}
	c.say("policy.reset.methods", why, "methods", strings.Join(named, ", "), "preset", p.Preset, "help", strings.Join(help, ", "))
}

// pairs tells whether one kind of each list may pass the two gates of one reset.
func (p *Policy) pairs(some, others []method.Kind) bool {
	for _, a := range some {
		if slices.ContainsFunc(others, func(b method.Kind) bool { return p.PairAllowed(a, b) }) {
			return true
		}
	}
	return false
}

// presetMethods tells whether the list of methods is the preset's own. It names
// phones for organizations that have countries for them; without, they are
// simply not offered. Whoever writes a list that names a phone means it.
func (p *Policy) presetMethods() bool {
	own, ok := PresetPolicy(p.Preset)
	return ok && slices.Equal(p.Reset.Methods, own.Reset.Methods)
}

// phone tells whether a kind makes this version send texts or calls.
func phone(k method.Kind) bool { return k.Built() && k.Class() == method.PhoneLine }

// maxCustom is how many questions of its own an organization can have.
const maxCustom = 20

func (p *Policy) checkQuestions(c *checker) {
	if len(p.Questions.Custom) > maxCustom {
		c.say("policy.questions.custom", "questions_most", "most", maxCustom)
	}
	seen := make(map[string]bool)
	for i, q := range p.Questions.Custom {
		key := fmt.Sprintf("policy.questions.custom[%d]", i)
		for lang, text := range q {
			if lang != "" && !slices.Contains(i18n.Languages(), lang) {
				c.say(key, "one_of_languages", "choices", strings.Join(i18n.Languages(), ", "))
				break
			}
			if n := utf8.RuneCountInString(strings.TrimSpace(text)); n < 3 || n > 200 || strings.ContainsFunc(text, notPrintable) {
				c.say(key, "question")
				break
			}
			if seen[lang+"|"+text] {
				c.say(key, "question_twice")
				break
			}
			seen[lang+"|"+text] = true
		}
	}
}

// nameable lists the kinds a policy can name.
func nameable() []string {
	var names []string
	for _, k := range method.Kinds() {
		if k.ProvesReset() && k != method.TemporaryAccessPass {
			names = append(names, string(k))
		}
	}
	return names
}

func (p *Policy) checkPassword(c *checker) {
	w := p.Password
	c.between("policy.password.min_length", w.MinLength, 8, 64) // SP 800-63B-4, 3.1.1.2: never under 8
	c.between("policy.password.max_length", w.MaxLength, 64, 256)
	c.between("policy.password.classes", w.Classes, 0, 4)
	c.between("policy.password.history", w.History, 0, 24)
	c.between("policy.password.expires_after_days", w.ExpiresAfterDays, 0, 730)
	c.oneOf("policy.password.breached", w.Breached, PolicyChoices()["password.breached"]...)
	for i, term := range w.Banned {
		if n := utf8.RuneCountInString(term); n < 4 || n > 64 {
			c.say(fmt.Sprintf("policy.password.banned[%d]", i), "banned")
		}
	}
}

func (p *Policy) checkLimits(c *checker) {
	c.between("policy.lockout.threshold", p.Lockout.Threshold, 1, 100)
	c.between("policy.lockout.seconds", p.Lockout.Seconds, 5, 18000)
	t := p.Throttle
	for key, l := range map[string]throttle.Limit{
		"identity_failures": t.IdentityFailures, "gate": t.Gate, "email_sends": t.EmailSends,
		"phone_sends": t.PhoneSends, "resets": t.Resets, "organization_failures": t.OrganizationFailures,
	} {
		key = "policy.throttle." + key
		if l.Limit < 1 || l.Limit > 1_000_000 {
			c.say(key+".limit", "between", "least", 1, "most", 1_000_000)
		}
		if l.Per < time.Second || l.Per > longestTime {
			c.say(key+".per", "window")
		}
		if l.Lock < 0 || l.Lock > longestTime {
			c.say(key+".lock", "lock")
		}
	}
	if t.Gate.Limit > 100 {
		// SP 800-63B-4, 3.2.2: at most 100 consecutive failures.
		c.say("policy.throttle.gate.limit", "between", "least", 1, "most", 100)
	}
	a := p.TemporaryAccessPass
	c.between("policy.temporary_access_pass.length", a.Length, 8, 48)
	c.between("policy.temporary_access_pass.min_minutes", a.MinMinutes, 10, 43200)
	c.between("policy.temporary_access_pass.max_minutes", a.MaxMinutes, a.MinMinutes, 43200)
	c.between("policy.temporary_access_pass.default_minutes", a.DefaultMinutes, a.MinMinutes, a.MaxMinutes)
}
