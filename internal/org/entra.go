package org

import (
	"encoding/json"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
)

// entraPolicy is what Microsoft Entra's portal keeps of self-service password
// reset. Microsoft does not document the object; the names are its own.
type entraPolicy struct {
	EnablementType   *int     `json:"enablementType"` // 0 nobody, 1 a group, 2 everyone
	Gates            *int     `json:"numberOfAuthenticationMethodsRequired"`
	Email            *bool    `json:"emailOptionEnabled"`
	MobilePhone      *bool    `json:"mobilePhoneOptionEnabled"`
	OfficePhone      *bool    `json:"officePhoneOptionEnabled"`
	Questions        *bool    `json:"securityQuestionsOptionEnabled"`
	AppNotification  *bool    `json:"mobileAppNotificationEnabled"`
	AppCode          *bool    `json:"mobileAppCodeEnabled"`
	ToRegister       *int     `json:"numberOfQuestionsToRegister"`
	ToReset          *int     `json:"numberOfQuestionsToReset"`
	RequiredAtSignIn *bool    `json:"registrationRequiredOnSignIn"`
	ReconfirmDays    *int     `json:"registrationReconfirmIntevalInDays"` // so spelled there
	SkipAllowed      *bool    `json:"skipRegistrationAllowed"`
	SkipDays         *int     `json:"skipRegistrationMaxAllowedDays"`
	OwnHelpdesk      *bool    `json:"customizeHelpdeskLink"`
	Helpdesk         *string  `json:"customHelpdeskEmailOrUrl"`
	NotifyUsers      *bool    `json:"notifyUsersOnPasswordReset"`
	NotifyAdmins     *bool    `json:"notifyOnAdminPasswordReset"`
	GroupIDs         []string `json:"passwordResetEnabledGroupIds"`
	GroupName        *string  `json:"passwordResetEnabledGroupName"`
}

// entraElsewhere are keys of the object that say nothing of a policy: what a
// licence would allow, and names of the object itself.
var entraElsewhere = []string{
	"objectId", "emailOptionAllowed", "mobilePhoneOptionAllowed", "officePhoneOptionAllowed", "securityQuestionsOptionAllowed",
	"mobileAppNotificationOptionAllowed", "mobileAppCodeOptionAllowed",
}

// EntraImport is a policy of Microsoft Entra as one of Kunci's.
type EntraImport struct {
	Policy Policy
	// Support is where people are sent for help, as the organization's file has it.
	Support Support
	// Notes say what changed on the way and what could not be carried.
	Notes []EntraNote
}

// EntraNote is a sentence of the catalogues, "entra.<Code>", that Args fill.
type EntraNote struct {
	Code string
	Args map[string]any
}

// In is the sentence in a language.
func (n EntraNote) In(words *i18n.Printer) string { return words.TMap("entra."+n.Code, n.Args) }

// FromEntra reads the password reset policy of Microsoft Entra's portal, as its
// own pages fetch it (JSON), and gives the policy that does the same here. It
// begins from the preset "entra". Nothing is guessed in favour of more: what the
// object does not say is off. Errors: a config.Faults.
func FromEntra(r io.Reader) (EntraImport, error) {
	data, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return EntraImport{}, err
	}
	var from entraPolicy
	all := make(map[string]json.RawMessage)
	if json.Unmarshal(data, &all) != nil || json.Unmarshal(data, &from) != nil {
		return EntraImport{}, config.Faults{sentence("", "entra_object").fault()}
	}
	if from.EnablementType == nil && from.Gates == nil {
		return EntraImport{}, config.Faults{sentence("", "entra_empty").fault()}
	}
	start, _ := PresetPolicy(PresetEntra)
	into := EntraImport{Policy: start}
	into.who(from)
	into.methods(from)
	into.numbers(from)
	into.registration(from)
	into.help(from)
	into.left(all)
	return into, nil
}

// note adds a sentence; args are name, value pairs.
func (e *EntraImport) note(code string, args ...any) {
	e.Notes = append(e.Notes, EntraNote{code, filled(args)})
}

func (e *EntraImport) who(from entraPolicy) {
	r := &e.Policy.Reset
	r.Scope = ScopeNone
	switch {
	case from.EnablementType == nil:
		e.note("scope-missing")
	case *from.EnablementType == 2:
		r.Scope = ScopeAll
	case *from.EnablementType == 1:
		r.Scope = ScopeSelected
		if name := text(from.GroupName); name != "" {
			r.Groups = []string{name}
			e.note("group-name", "group", name)
		} else if r.Groups = slices.Clone(from.GroupIDs); len(r.Groups) > 0 {
			e.note("group-ids")
		} else {
			r.Scope = ScopeNone
			e.note("group-missing")
		}
	case *from.EnablementType != 0:
		e.note("scope-unknown", "type", *from.EnablementType)
	}
	if r.Gates = 1; from.Gates != nil && *from.Gates == 2 {
		r.Gates = 2
	}
}

func (e *EntraImport) methods(from entraPolicy) {
	r := &e.Policy.Reset
	r.Methods = nil
	add := func(option *bool, kinds ...method.Kind) {
		if on(option) {
			r.Methods = append(r.Methods, kinds...)
		}
	}
	add(from.AppCode, method.AuthenticatorCode, method.HardwareToken)
	add(from.AppNotification, method.AuthenticatorPush)
	add(from.Email, method.Email)
	add(from.MobilePhone, method.MobilePhone)
	add(from.OfficePhone, method.OfficePhone)
	if on(from.Questions) && r.Gates == 2 {
		r.Methods = append(r.Methods, method.SecurityQuestions)
	} else if on(from.Questions) {
		e.note("questions-alone")
	}
	if on(from.AppNotification) {
		e.note("approvals")
	}
	if on(from.MobilePhone) || on(from.OfficePhone) {
		e.note("phone-countries")
	}
	if len(r.Methods) == 0 {
		e.note("no-method")
	}
}

// numbers brings Entra's into the bounds that the check of a policy has.
func (e *EntraImport) numbers(from entraPolicy) {
	number := func(key string, from *int, into *int, least, most int) {
		if from == nil {
			return
		}
		if *into = min(max(*from, least), most); *into != *from {
			e.note("number", "key", key, "was", *from, "now", *into)
		}
	}
	q := &e.Policy.Questions
	number("questions.to_register", from.ToRegister, &q.ToRegister, 3, 5)
	number("questions.to_reset", from.ToReset, &q.ToReset, 3, q.ToRegister)
	number("registration.reconfirm_after_days", from.ReconfirmDays, &e.Policy.Registration.ReconfirmAfterDays, 0, 730)
	number("registration.skip_days", from.SkipDays, &e.Policy.Registration.SkipDays, 0, 365)
}

func (e *EntraImport) registration(from entraPolicy) {
	r := &e.Policy.Registration
	r.RequiredAtSignIn = on(from.RequiredAtSignIn)
	if from.SkipAllowed != nil && !*from.SkipAllowed {
		r.SkipsAllowed = 0
	} else {
		e.note("skips", "allowed", r.SkipsAllowed)
	}
	n := &e.Policy.Notifications
	n.UserOnReset, n.AdminsOnAdminReset = on(from.NotifyUsers), on(from.NotifyAdmins)
}

func (e *EntraImport) help(from entraPolicy) {
	where := text(from.Helpdesk)
	switch {
	case !on(from.OwnHelpdesk) || where == "":
	case strings.HasPrefix(where, "https://"):
		e.Support.URL = where
		e.note("support-url", "url", where)
	case strings.Contains(where, "@"):
		e.Support.Email = strings.TrimPrefix(where, "mailto:")
		e.note("support-email", "email", e.Support.Email)
	default:
		e.note("support-wrong", "link", where)
	}
}

// left names what the object has and Kunci does not know.
func (e *EntraImport) left(all map[string]json.RawMessage) {
	known := slices.Collect(maps.Keys(config.Fields(reflect.TypeFor[entraPolicy]())))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		value := string(all[key])
		said := value != "null" && value != "[]" && value != `""` && value != "{}"
		if said && !slices.Contains(known, key) && !slices.Contains(entraElsewhere, key) {
			e.note("no-counterpart", "key", key)
		}
	}
	e.note("more-kinds")
}

func on(b *bool) bool { return b != nil && *b }

func text(s *string) string {
	if s == nil {
		return ""
	}
	return strings.TrimSpace(*s)
}
