package org

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
)

// noted is what the notes say.
func noted(notes []EntraNote, lang string) string {
	var all []string
	for _, n := range notes {
		all = append(all, n.In(i18n.For(lang)))
	}
	return strings.Join(all, "\n")
}

func TestAPolicyOfEntraIsCarried(t *testing.T) {
	got, err := FromEntra(strings.NewReader(`{
	 "objectId": "default", "enablementType": 2, "numberOfAuthenticationMethodsRequired": 2, "emailOptionEnabled": true, "emailOptionAllowed": true,
	 "mobilePhoneOptionEnabled": false, "officePhoneOptionEnabled": false, "securityQuestionsOptionEnabled": true,
	 "mobileAppNotificationEnabled": false, "mobileAppCodeEnabled": true, "numberOfQuestionsToRegister": 4, "numberOfQuestionsToReset": 3,
	 "registrationRequiredOnSignIn": true, "registrationReconfirmIntevalInDays": 90, "skipRegistrationAllowed": true, "skipRegistrationMaxAllowedDays": 7,
	 "customizeHelpdeskLink": true, "customHelpdeskEmailOrUrl": "helpdesk@contoso.com", "notifyUsersOnPasswordReset": true,
	 "notifyOnAdminPasswordReset": false, "passwordResetEnabledGroupIds": [], "registrationConditionalAccessPolicies": [{"id": 1}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := got.Policy
	if p.Preset != PresetEntra || p.Reset.Scope != ScopeAll || p.Reset.Gates != 2 || p.Codes.Digits != 6 || p.Password.MinLength != 8 {
		t.Errorf("policy: %+v", p)
	}
	if want := []method.Kind{method.AuthenticatorCode, method.HardwareToken, method.Email, method.SecurityQuestions}; !slices.Equal(p.Reset.Methods, want) {
		t.Errorf("methods: %v", p.Reset.Methods)
	}
	if p.Questions.ToRegister != 4 || p.Questions.ToReset != 3 || !reflect.DeepEqual(p.Registration, RegistrationPolicy{true, 90, 3, 7, nil}) || p.Notifications != (Notifications{UserOnReset: true, HelpdeskMail: MailAtOnce}) {
		t.Errorf("questions %+v, registration %+v, notices %+v", p.Questions, p.Registration, p.Notifications)
	}
	if got.Support.Email != "helpdesk@contoso.com" {
		t.Errorf("support: %+v", got.Support)
	}
	notes := noted(got.Notes, "en")
	for _, want := range []string{"registrationConditionalAccessPolicies has no counterpart", "skips_allowed is 3", "passkey and recovery_code"} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q: %s", want, notes)
		}
	}
	for _, not := range []string{"objectId", "emailOptionAllowed", "passwordResetEnabledGroupIds"} {
		if strings.Contains(notes, not) {
			t.Errorf("a note speaks of %s", not)
		}
	}
	text, err := p.Text()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParsePolicy(strings.NewReader(text)); err != nil {
		t.Errorf("it cannot be applied: %v", err)
	}
}

// What the object does not say is off: an import must never let more people in.
func TestWhatEntraDoesNotSayIsOff(t *testing.T) {
	for object, c := range map[string]struct {
		scope string
		gates int
		note  string
	}{
		`{"numberOfAuthenticationMethodsRequired": 1}`:                                                 {ScopeNone, 1, "enablementType is missing"},
		`{"enablementType": 0}`:                                                                        {ScopeNone, 1, "no method is left"},
		`{"enablementType": 7}`:                                                                        {ScopeNone, 1, "enablementType 7 is unknown"},
		`{"enablementType": 1}`:                                                                        {ScopeNone, 1, "none is named"},
		`{"enablementType": 1, "passwordResetEnabledGroupName": "SSPR"}`:                               {ScopeSelected, 1, "the name that Entra shows (SSPR)"},
		`{"enablementType": 1, "passwordResetEnabledGroupIds": ["6f"]}`:                                {ScopeSelected, 1, "object IDs"},
		`{"enablementType": 2, "securityQuestionsOptionEnabled": true}`:                                {ScopeAll, 1, "security questions are left out"},
		`{"enablementType": 2, "mobilePhoneOptionEnabled": true}`:                                      {ScopeAll, 1, "phone.countries is empty"},
		`{"enablementType": 2, "registrationReconfirmIntevalInDays": 900}`:                             {ScopeAll, 1, "was 900 and is 730 here"},
		`{"enablementType": 2, "customizeHelpdeskLink": true, "customHelpdeskEmailOrUrl": "http://x"}`: {ScopeAll, 1, "left out"},
	} {
		got, err := FromEntra(strings.NewReader(object))
		if err != nil {
			t.Errorf("%s: %v", object, err)
			continue
		}
		if r := got.Policy.Reset; r.Scope != c.scope || r.Gates != c.gates || got.Policy.Registration.RequiredAtSignIn {
			t.Errorf("%s: %+v", object, r)
		}
		if notes := noted(got.Notes, "en"); !strings.Contains(notes, c.note) {
			t.Errorf("%s: no note says %q: %s", object, c.note, notes)
		}
		if slices.Contains(got.Policy.Reset.Methods, method.SecurityQuestions) {
			t.Errorf("%s: questions stand alone", object)
		}
		for _, n := range got.Notes {
			if english, indonesian := n.In(i18n.For("en")), n.In(i18n.For("id")); english == indonesian || strings.Contains(english+indonesian, "entra.") || strings.Contains(english+indonesian, "<no value>") {
				t.Errorf("%s: %q, %q", n.Code, english, indonesian)
			}
		}
	}
}

func TestWhatIsNoPolicyOfEntra(t *testing.T) {
	for _, text := range []string{"", "[]", "{", `{"a": 1}`, `{"enablementType": "all"}`, "enablementType: 2"} {
		var faults config.Faults
		if _, err := FromEntra(strings.NewReader(text)); !errors.As(err, &faults) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzFromEntra(f *testing.F) {
	f.Add(`{"enablementType": 1, "numberOfAuthenticationMethodsRequired": 2, "numberOfQuestionsToReset": -3}`)
	f.Fuzz(func(t *testing.T, object string) {
		got, err := FromEntra(strings.NewReader(object))
		if err != nil {
			return
		}
		text, err := got.Policy.Text()
		if err != nil {
			t.Fatal(err)
		}
		// All that may be missing is what the notes ask for.
		var faults config.Faults
		if _, err := ParsePolicy(strings.NewReader(text)); errors.As(err, &faults) {
			for _, fault := range faults {
				if fault.Key != "phone.countries" && fault.Key != "reset.methods" && !strings.HasPrefix(fault.Key, "reset.groups") && fault.Key != "reset.gates" {
					t.Errorf("%s: %s", object, fault)
				}
			}
		}
	})
}
