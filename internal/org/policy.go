package org

import (
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/throttle"
)

// Scopes of a reset.
const (
	ScopeNone     = "none"
	ScopeSelected = "selected"
	ScopeAll      = "all"
)

// What happens with accounts that the directory protects.
const (
	PrivilegedExclude        = "exclude"
	PrivilegedTwoStrongGates = "two_strong_gates"
)

// When a reset asks for a proof of work.
const (
	CaptchaOff      = "off"
	CaptchaAdaptive = "adaptive"
	CaptchaAlways   = "always"
)

// Policy is what an organization decides. The keys are those of its file.
type Policy struct {
	Preset                string             `json:"preset"`
	Reset                 ResetPolicy        `json:"reset"`
	Registration          RegistrationPolicy `json:"registration"`
	Questions             QuestionPolicy     `json:"questions"`
	Administrators        AdministratorRules `json:"administrators"`
	Notifications         Notifications      `json:"notifications"`
	Captcha               string             `json:"captcha"`
	Codes                 CodePolicy         `json:"codes"`
	Phone                 PhonePolicy        `json:"phone"`
	NewMethodWaitingHours int                `json:"new_method_waiting_hours"`
	AfterResetHours       int                `json:"after_reset_hours"`
	Password              PasswordPolicy     `json:"password"`
	Lockout               Lockout            `json:"lockout"`
	Throttle              Throttles          `json:"throttle"`
	TemporaryAccessPass   PassPolicy         `json:"temporary_access_pass"`
}

// ResetPolicy says who may reset, and with what.
type ResetPolicy struct {
	Scope              string        `json:"scope"`
	Groups             []string      `json:"groups"`
	ExcludeGroups      []string      `json:"exclude_groups"`
	Gates              int           `json:"gates"`
	Methods            []method.Kind `json:"methods"`
	Privileged         string        `json:"privileged"`
	UnlockWithoutReset bool          `json:"unlock_without_reset"`
	DiscloseStatus     bool          `json:"disclose_status"`
}

// RegistrationPolicy says when people are asked to register and to confirm again.
type RegistrationPolicy struct {
	RequiredAtSignIn   bool `json:"required_at_sign_in"`
	ReconfirmAfterDays int  `json:"reconfirm_after_days"` // 0: never
	SkipsAllowed       int  `json:"skips_allowed"`
	SkipDays           int  `json:"skip_days"`
	// Networks are those from which people register and change methods; empty: everywhere.
	Networks []string `json:"networks"`
}

// From tells whether people may register and change methods from an address. One
// that cannot be read is in no network.
func (p RegistrationPolicy) From(ip string) bool {
	if len(p.Networks) == 0 {
		return true
	}
	at, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	at = at.WithZone("").Unmap()
	return slices.ContainsFunc(networks(p.Networks), func(n netip.Prefix) bool { return n.Contains(at) })
}

// QuestionPolicy is about security questions, where they are on.
type QuestionPolicy struct {
	ToRegister int            `json:"to_register"`
	ToReset    int            `json:"to_reset"`
	Custom     []config.Texts `json:"custom"`
}

// AdministratorRules hold for administrators' own resets.
type AdministratorRules struct {
	Gates int `json:"gates"` // cannot be lowered below two
}

// How often the helpdesk's mail about requests comes.
const (
	MailAtOnce = "at_once" // each request by itself, and once a day how many wait
	MailHourly = "hourly"  // how many wait, in an hour after new ones came, and once a day
	MailDaily  = "daily"   // once a day how many wait
	MailOff    = "off"
)

// Notifications says who hears of a reset, and of a request.
type Notifications struct {
	UserOnReset        bool `json:"user_on_reset"`
	AdminsOnAdminReset bool `json:"admins_on_admin_reset"`
	// HelpdeskMail is one of those above. "This wasn't me" is always mailed at once.
	HelpdeskMail string `json:"helpdesk_mail"`
}

// CodePolicy is about mailed and texted codes.
type CodePolicy struct {
	Digits  int `json:"digits"`
	Minutes int `json:"minutes"`
}

// PhonePolicy bounds where texts and calls go.
type PhonePolicy struct {
	Countries []string `json:"countries"` // ISO 3166-1 alpha-2
	PerDay    int      `json:"per_day"`
}

// PasswordPolicy is what a new password must be.
type PasswordPolicy struct {
	MinLength        int      `json:"min_length"` // code points
	MaxLength        int      `json:"max_length"`
	Classes          int      `json:"classes"` // of lower case, upper case, digits, others; 0 asks for none
	History          int      `json:"history"`
	Banned           []string `json:"banned"`
	Breached         string   `json:"breached"` // refuse | allow
	ExpiresAfterDays int      `json:"expires_after_days"`
}

// Lockout is the smart lockout of sign-in: after Threshold wrong passwords
// Seconds, doubling to an hour.
type Lockout struct {
	Threshold int `json:"threshold"`
	Seconds   int `json:"seconds"`
}

// Throttles bound guessing and flooding.
type Throttles struct {
	IdentityFailures     throttle.Limit `json:"identity_failures"`
	Gate                 throttle.Limit `json:"gate"`
	EmailSends           throttle.Limit `json:"email_sends"`
	PhoneSends           throttle.Limit `json:"phone_sends"`
	Resets               throttle.Limit `json:"resets"`
	OrganizationFailures throttle.Limit `json:"organization_failures"`
}

// PassPolicy is about Temporary Access Passes.
type PassPolicy struct {
	Length         int  `json:"length"`
	DefaultMinutes int  `json:"default_minutes"`
	MinMinutes     int  `json:"min_minutes"`
	MaxMinutes     int  `json:"max_minutes"`
	OneTime        bool `json:"one_time"`
}

// PolicyChoices are the words that a key may be, where there are few.
func PolicyChoices() map[string][]string {
	return map[string][]string{
		"preset":                      Presets(),
		"reset.scope":                 {ScopeNone, ScopeSelected, ScopeAll},
		"reset.privileged":            {PrivilegedExclude, PrivilegedTwoStrongGates},
		"notifications.helpdesk_mail": {MailAtOnce, MailHourly, MailDaily, MailOff},
		"captcha":                     {CaptchaOff, CaptchaAdaptive, CaptchaAlways},
		"password.breached":           {"refuse", "allow"},
	}
}

const day = 24 * time.Hour

// Defaults is the preset "kunci".
func Defaults() Policy {
	return Policy{
		Preset: PresetKunci,
		Reset: ResetPolicy{
			Scope: ScopeAll, Gates: 1,
			Methods: []method.Kind{
				method.Passkey, method.AuthenticatorCode, method.AuthenticatorPush, method.HardwareToken,
				method.RecoveryCode, method.Email, method.MobilePhone, method.OfficePhone,
			},
			Privileged: PrivilegedExclude, UnlockWithoutReset: true, DiscloseStatus: true,
		},
		Registration:    RegistrationPolicy{RequiredAtSignIn: true, ReconfirmAfterDays: 180, SkipsAllowed: 3, SkipDays: 14},
		Questions:       QuestionPolicy{ToRegister: 5, ToReset: 3},
		Administrators:  AdministratorRules{Gates: 2},
		Notifications:   Notifications{UserOnReset: true, AdminsOnAdminReset: true, HelpdeskMail: MailAtOnce},
		Captcha:         CaptchaAdaptive,
		Codes:           CodePolicy{Digits: 8, Minutes: 10},
		Phone:           PhonePolicy{PerDay: 10},
		AfterResetHours: 24,
		Password:        PasswordPolicy{MinLength: 12, MaxLength: 256, History: 5, Breached: "refuse"},
		Lockout:         Lockout{Threshold: 10, Seconds: 60},
		Throttle: Throttles{
			IdentityFailures:     throttle.Limit{Limit: 5, Per: day, Lock: day},
			Gate:                 throttle.Limit{Limit: 5, Per: time.Hour, Lock: day},
			EmailSends:           throttle.Limit{Limit: 10, Per: 10 * time.Minute, Lock: day},
			PhoneSends:           throttle.Limit{Limit: 5, Per: time.Hour, Lock: day},
			Resets:               throttle.Limit{Limit: 5, Per: time.Hour, Lock: day},
			OrganizationFailures: throttle.Limit{Limit: 500, Per: time.Hour},
		},
		TemporaryAccessPass: PassPolicy{Length: 12, DefaultMinutes: 60, MinMinutes: 10, MaxMinutes: 480, OneTime: true},
	}
}

// clone shares nothing with p.
func (p Policy) clone() Policy {
	for _, list := range []*[]string{&p.Reset.Groups, &p.Reset.ExcludeGroups, &p.Registration.Networks, &p.Phone.Countries, &p.Password.Banned} {
		*list = slices.Clone(*list)
	}
	p.Reset.Methods = slices.Clone(p.Reset.Methods)
	p.Questions.Custom = slices.Clone(p.Questions.Custom)
	for i, texts := range p.Questions.Custom {
		p.Questions.Custom[i] = maps.Clone(texts)
	}
	return p
}

// names tells whether a list of groups names one. Capital letters make no
// difference, as for the directories that the names come from (RFC 4519, 2.3).
func names(list []string, group string) bool {
	return slices.ContainsFunc(list, func(name string) bool { return strings.EqualFold(name, group) })
}

// InScope tells whether somebody in these groups may reset at all.
func (p Policy) InScope(groups []string) bool {
	for _, g := range groups {
		if names(p.Reset.ExcludeGroups, g) {
			return false
		}
	}
	switch p.Reset.Scope {
	case ScopeAll:
		return true
	case ScopeSelected:
		for _, g := range groups {
			if names(p.Reset.Groups, g) {
				return true
			}
		}
	}
	return false
}

// Allows tells whether a kind may pass a gate of a reset at all.
func (p Policy) Allows(k method.Kind) bool {
	return k == method.TemporaryAccessPass || slices.Contains(p.Reset.Methods, k)
}

// PairAllowed tells whether two kinds may pass the two gates of one reset.
// They are never of one class: one stolen thing must not pass both. Security
// questions count only beside something a person has. The preset nist_aal2
// asks besides for what SP 800-63B-4, 4.2.2.2 accepts: two different kinds of
// recovery code, or one and a bound authenticator; two issued codes (by mail, by
// text, by an administrator) are one kind. It and the preset asvs take no
// questions at all.
func (p Policy) PairAllowed(a, b method.Kind) bool {
	if !a.Known() || !b.Known() || a.Class() == b.Class() {
		return false
	}
	known := a.Class() == method.Knowledge || b.Class() == method.Knowledge
	switch p.Preset {
	case PresetNIST:
		return !known && !(issued(a) && issued(b))
	case PresetASVS:
		return !known // ASVS 5.0, 6.4.2
	}
	return true
}

// issued tells whether a kind is a code that is handed out when it is asked for,
// an "issued recovery code" in NIST's words.
func issued(k method.Kind) bool {
	switch k.Class() {
	case method.Mailbox, method.PhoneLine, method.Pass:
		return true
	}
	return false
}
