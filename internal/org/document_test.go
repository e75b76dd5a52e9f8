package org

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/throttle"
)

// small is the least a file can say.
const small = "organization: contoso\nname: Contoso\ndomains: [contoso.com]\n"

func parseOne(t *testing.T, text string) Document {
	t.Helper()
	all, err := Parse(strings.NewReader(text), t.TempDir())
	if err != nil {
		t.Fatalf("parse: %v", err)
	}
	if len(all) != 1 {
		t.Fatalf("got %d documents, want 1", len(all))
	}
	return all[0]
}

// faultsOf gives what is wrong with a text as "line key".
func faultsOf(t *testing.T, text string) config.Faults {
	t.Helper()
	_, err := Parse(strings.NewReader(text), t.TempDir())
	var faults config.Faults
	if err != nil && !errors.As(err, &faults) {
		t.Fatalf("the error is %T, want faults: %v", err, err)
	}
	return faults
}

func TestASmallFileTakesTheDefaults(t *testing.T) {
	d := parseOne(t, small)
	if !reflect.DeepEqual(d.Policy, Defaults()) {
		t.Errorf("policy %+v\nwant %+v", d.Policy, Defaults())
	}
	if d.Language != "id" || d.Directory.Kind != Embedded {
		t.Errorf("language %q, directory %q", d.Language, d.Directory.Kind)
	}
}

// The numbers that were decided; a change of one is a decision, not an accident.
func TestTheDefaults(t *testing.T) {
	p := Defaults()
	hour, day := time.Hour, 24*time.Hour
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"scope", p.Reset.Scope, "all"},
		{"gates", p.Reset.Gates, 1},
		{"privileged", p.Reset.Privileged, "exclude"},
		{"questions are off", slices.Contains(p.Reset.Methods, method.SecurityQuestions), false},
		{"methods", len(p.Reset.Methods), 8},
		{"administrators", p.Administrators.Gates, 2},
		{"registration", p.Registration, RegistrationPolicy{true, 180, 3, 14, nil}},
		{"codes", p.Codes, CodePolicy{8, 10}},
		{"password", []int{p.Password.MinLength, p.Password.MaxLength, p.Password.Classes, p.Password.History}, []int{12, 256, 0, 5}},
		{"lockout", p.Lockout, Lockout{10, 60}},
		{"identity_failures", p.Throttle.IdentityFailures, throttle.Limit{Limit: 5, Per: day, Lock: day}},
		{"gate", p.Throttle.Gate, throttle.Limit{Limit: 5, Per: hour, Lock: day}},
		{"email_sends", p.Throttle.EmailSends, throttle.Limit{Limit: 10, Per: 10 * time.Minute, Lock: day}},
		{"phone_sends", p.Throttle.PhoneSends, throttle.Limit{Limit: 5, Per: hour, Lock: day}},
		{"resets", p.Throttle.Resets, throttle.Limit{Limit: 5, Per: hour, Lock: day}},
		{"organization_failures", p.Throttle.OrganizationFailures, throttle.Limit{Limit: 500, Per: hour}},
		{"pass", p.TemporaryAccessPass, PassPolicy{12, 60, 10, 480, true}},
		{"after_reset_hours", p.AfterResetHours, 24},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("%s is %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestEveryKeyOfAFileIsRead(t *testing.T) {
	d := parseOne(t, `
organization: contoso
name: PT Contoso Indonesia
domains: [Contoso.com, contoso.co.id]
language: en
time_zone: Asia/Makassar
branding: {color: "#0f6cbd"}
support: {email: helpdesk@contoso.com, url: "https://help.contoso.com", phone: "+62 21 555"}
directory: {kind: embedded}
administrators: [{user_id: " Adele@Contoso.com ", role: owner}, {user_id: budi@contoso.co.id, role: helpdesk}, {group: "Kunci: desk", role: auditor}]
policy:
  preset: kunci
  reset: {scope: selected, groups: [staff], exclude_groups: [guests], gates: 2, methods: [email, recovery_code], privileged: two_strong_gates, unlock_without_reset: false, disclose_status: true}
  registration: {required_at_sign_in: false, reconfirm_after_days: 0, skips_allowed: 1, skip_days: 2, networks: [192.0.2.0/24, "2001:db8::/32"]}
  questions: {to_register: 4, to_reset: 3, custom: [Who was the first to teach you?, {id: Siapa guru pertamamu?, en: Who taught you first?}]}
  administrators: {gates: 2}
  notifications: {user_on_reset: false, admins_on_admin_reset: false, helpdesk_mail: hourly}
  captcha: always
  codes: {digits: 6, minutes: 5}
  phone: {countries: [ID, SG], per_day: 3}
  new_method_waiting_hours: 4
  after_reset_hours: 8
  password: {min_length: 9, max_length: 100, classes: 2, history: 0, banned: [contoso], breached: allow, expires_after_days: 90}
  lockout: {threshold: 3, seconds: 30}
  throttle: {gate: {limit: 3, per: 30m, lock: 1h30m}}
  temporary_access_pass: {length: 20, default_minutes: 30, min_minutes: 15, max_minutes: 45, one_time: false}
`)
	want := Document{
		Slug: "contoso", Name: "PT Contoso Indonesia", Domains: []string{"contoso.com", "contoso.co.id"}, Language: "en", TimeZone: "Asia/Makassar",
		Branding:       BrandingFile{Color: "#0f6cbd"},
		Support:        Support{Email: "helpdesk@contoso.com", URL: "https://help.contoso.com", Phone: "+62 21 555"},
		Directory:      DirectoryConfig{Kind: "embedded"},
		Administrators: []Administrator{{UserID: "adele@contoso.com", Role: Owner}, {UserID: "budi@contoso.co.id", Role: Helpdesk}, {Group: "Kunci: desk", Role: Auditor}},
		Policy: Policy{
			Preset: "kunci",
			Reset: ResetPolicy{"selected", []string{"staff"}, []string{"guests"}, 2, []method.Kind{method.Email, method.RecoveryCode},
				"two_strong_gates", false, true},
			Registration:          RegistrationPolicy{false, 0, 1, 2, []string{"192.0.2.0/24", "2001:db8::/32"}},
			Questions:             QuestionPolicy{4, 3, []config.Texts{{"": "Who was the first to teach you?"}, {"id": "Siapa guru pertamamu?", "en": "Who taught you first?"}}},
			Administrators:        AdministratorRules{2},
			Notifications:         Notifications{HelpdeskMail: MailHourly},
			Captcha:               "always",
			Codes:                 CodePolicy{6, 5},
			Phone:                 PhonePolicy{[]string{"ID", "SG"}, 3},
			NewMethodWaitingHours: 4, AfterResetHours: 8,
			Password:            PasswordPolicy{9, 100, 2, 0, []string{"contoso"}, "allow", 90},
			Lockout:             Lockout{3, 30},
			Throttle:            Defaults().Throttle,
			TemporaryAccessPass: PassPolicy{20, 30, 15, 45, false},
		},
	}
	want.Policy.Throttle.Gate = throttle.Limit{Limit: 3, Per: 30 * time.Minute, Lock: 90 * time.Minute}
	if !reflect.DeepEqual(d, want) {
		t.Errorf("got  %+v\nwant %+v", d, want)
	}
}

func TestEverythingWrongIsSaidAtOnceWithItsLine(t *testing.T) {
	faults := faultsOf(t, `organization: Contoso Ltd
name: Contoso
domains: [contoso]
languge: id
policy:
  reset:
    gates: 3
  codes: {digits: many}
  captcha: sometimes
`)
	var said []string
	for _, f := range faults {
		said = append(said, fmt.Sprint(f.Line, " ", f.Key))
	}
	want := []string{"1 organization", "3 domains[0]", "4 languge", "7 policy.reset.gates", "8 policy.codes.digits", "9 policy.captcha"}
	if !slices.Equal(said, want) {
		t.Errorf("got %v", faults)
	}
	faults = faultsOf(t, `organization: Contoso Ltd
name: Contoso
domains: [contoso]
policy:
  captcha: sometimes
  reset:
    gates: 3
`)
	var got []string
	for _, f := range faults {
		got = append(got, f.Key)
		if f.Line == 0 {
			t.Errorf("%s has no line", f.Key)
		}
		for _, word := range []string{"struct", "int", "string", "unmarshal", "org."} {
			if slices.Contains(strings.Fields(f.Text), word) {
				t.Errorf("%s speaks to programmers: %s", f.Key, f.Text)
			}
		}
	}
	if want := []string{"organization", "domains[0]", "policy.captcha", "policy.reset.gates"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWhatAFileIsRefusedFor(t *testing.T) {
	policy := func(lines string) string { return small + "policy:\n  " + lines + "\n" }
	for name, c := range map[string]struct{ text, key string }{
		"no name":                               {"organization: contoso\ndomains: [contoso.com]\n", "name"},
		"an override character in a name":       {"organization: contoso\nname: \"Con\\u202Etoso\"\ndomains: [contoso.com]\n", "name"},
		"no domain":                             {"organization: contoso\nname: Contoso\n", "domains"},
		"a domain twice":                        {"organization: contoso\nname: C\ndomains: [contoso.com, CONTOSO.com]\n", "domains[1]"},
		"a domain with a letter from elsewhere": {"organization: contoso\nname: C\ndomains: [contosо.com]\n", "domains[0]"},
		"an unknown language":                   {small + "language: xx\n", "language"},
		"a time zone by letters":                {small + "time_zone: WIB\n", "time_zone"},
		"a colour that is code":                 {small + "branding: {color: \"red;}\"}\n", "branding.color"},
		"a support address with a name":         {small + "support: {email: \"H <h@contoso.com>\"}\n", "support.email"},
		"a support address with a script":       {small + "support: {url: \"javascript:alert(1)\"}\n", "support.url"},
		"a support address without TLS":         {small + "support: {url: \"http://contoso.com\"}\n", "support.url"},
		"another directory":                     {small + "directory: {kind: files}\n", "directory.kind"},
		"no owner":                              {small + "administrators: [{user_id: a@contoso.com, role: auditor}]\n", "administrators"},
		"a stranger as administrator":           {small + "administrators: [{user_id: a@fabrikam.com, role: owner}]\n", "administrators[0]"},
		"an unknown role":                       {small + "administrators: [{user_id: a@contoso.com, role: root}]\n", "administrators[0]"},
		"no owner but a group":                  {small + "administrators: [{group: bosses, role: owner}]\n", "administrators"},
		"neither a person nor a group":          {small + "administrators: [{user_id: a@contoso.com, role: owner}, {role: auditor}]\n", "administrators[1]"},
		"a person and a group":                  {small + "administrators: [{user_id: a@contoso.com, role: owner}, {user_id: b@contoso.com, group: g, role: auditor}]\n", "administrators[1]"},
		"a group twice":                         {small + "administrators: [{user_id: a@contoso.com, role: owner}, {group: g, role: helpdesk}, {group: g, role: auditor}]\n", "administrators[2]"},
		"a group that no directory spells so":   {small + "administrators: [{user_id: a@contoso.com, role: owner}, {group: \" g\", role: auditor}]\n", "administrators[1]"},
		"two roles":                             {small + "administrators: [{user_id: a@contoso.com, role: owner}, {user_id: A@contoso.com, role: auditor}]\n", "administrators[1]"},
		"an unknown preset":                     {policy("preset: best"), "policy.preset"},
		"a scope without groups":                {policy("reset: {scope: selected}"), "policy.reset.groups"},
		"three gates":                           {policy("reset: {gates: 3}"), "policy.reset.gates"},
		"no gate":                               {policy("reset: {gates: 0}"), "policy.reset.gates"},
		"no method":                             {policy("reset: {methods: []}"), "policy.reset.methods"},
		"an unknown method":                     {policy("reset: {methods: [email, fax]}"), "policy.reset.methods[1]"},
		"a method twice":                        {policy("reset: {methods: [email, email]}"), "policy.reset.methods[1]"},
		"a pass as a method":                    {policy("reset: {methods: [email, temporary_access_pass]}"), "policy.reset.methods[1]"},
		"only what cannot be verified":          {policy("reset: {methods: [security_questions]}"), "policy.reset.methods"},
		"questions alone":                       {policy("reset: {methods: [email, security_questions]}"), "policy.reset.methods"},
		"one gate for administrators":           {policy("administrators: {gates: 1}"), "policy.administrators.gates"},
		"two questions":                         {policy("questions: {to_register: 2, to_reset: 2}"), "policy.questions.to_register"},
		"more questions asked than known":       {policy("questions: {to_register: 3, to_reset: 4}"), "policy.questions.to_reset"},
		"a question in no language":             {policy("questions: {custom: [{tlh: nuqneH?}]}"), "policy.questions.custom[0]"},
		"a question without a text":             {policy("questions: {custom: [{id: [x]}]}"), "policy.questions.custom[0]"},
		"a question of two letters":             {policy("questions: {custom: [{id: ab, en: Why not?}]}"), "policy.questions.custom[0]"},
		"too many questions":                    {policy("questions: {custom: [" + strings.Repeat("Why?, ", 20) + "Why?]}"), "policy.questions.custom"},
		"a question twice":                      {policy("questions: {custom: [Why?, Why?]}"), "policy.questions.custom[1]"},
		"a network that is an address":          {policy("registration: {networks: [192.0.2.1]}"), "policy.registration.networks[0]"},
		"a network twice":                       {policy("registration: {networks: [192.0.2.0/24, 192.0.2.0/24]}"), "policy.registration.networks[1]"},
		"short codes":                           {policy("codes: {digits: 4}"), "policy.codes.digits"},
		"codes that live too long":              {policy("codes: {minutes: 60}"), "policy.codes.minutes"},
		"a country in words":                    {policy("phone: {countries: [Indonesia]}"), "policy.phone.countries[0]"},
		"short passwords":                       {policy("password: {min_length: 7}"), "policy.password.min_length"},
		"passwords cut short":                   {policy("password: {max_length: 63}"), "policy.password.max_length"},
		"a banned term that is a syllable":      {policy("password: {banned: [abc]}"), "policy.password.banned[0]"},
		"a gate that is never closed":           {policy("throttle: {gate: {limit: 1000}}"), "policy.throttle.gate.limit"},
		"a limit of none":                       {policy("throttle: {resets: {limit: 0}}"), "policy.throttle.resets.limit"},
		"a time that is a number":               {policy("throttle: {gate: {per: 3600}}"), "policy.throttle.gate.per"},
		"a window of nothing":                   {policy("throttle: {gate: {per: 0s}}"), "policy.throttle.gate.per"},
		"a short pass":                          {policy("temporary_access_pass: {length: 6}"), "policy.temporary_access_pass.length"},
		"a pass that cannot be":                 {policy("temporary_access_pass: {min_minutes: 60, max_minutes: 30}"), "policy.temporary_access_pass.max_minutes"},
		"a hidden status":                       {policy("reset: {disclose_status: false, methods: [passkey]}"), "policy.reset.disclose_status"},
		"a key twice":                           {small + "name: Fabrikam\n", "name"},
		"an alias":                              {small + "support: &s {email: a@contoso.com}\nbranding: *s\n", "branding"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range faultsOf(t, c.text) {
				if f.Key == c.key {
					return
				}
			}
			t.Errorf("%s is not refused: %v", c.key, faultsOf(t, c.text))
		})
	}
}

func TestAFileHoldsSeveralOrganizations(t *testing.T) {
	all, err := Parse(strings.NewReader(small+"---\norganization: fabrikam\nname: Fabrikam\ndomains: [fabrikam.com]\n"), "")
	if err != nil || len(all) != 2 || all[0].Slug != "contoso" || all[1].Slug != "fabrikam" {
		t.Errorf("got %v, %v", all, err)
	}
	if _, err := Parse(strings.NewReader("# nothing\n"), ""); err == nil {
		t.Error("an empty file was taken")
	}
	if _, err := Parse(strings.NewReader("a: [b\nc: }"), ""); err == nil || strings.Contains(err.Error(), "yaml") {
		t.Errorf("what is no YAML: %v", err)
	}
}

func TestPresets(t *testing.T) {
	preset := func(name, lines string) string {
		return small + "policy:\n  preset: " + name + "\n" + lines
	}
	entra := parseOne(t, preset("entra", "")).Policy
	if entra.Codes != (CodePolicy{6, 5}) || entra.Password.MinLength != 8 || entra.Password.Classes != 3 || entra.TemporaryAccessPass.Length != 8 {
		t.Errorf("entra: %+v", entra)
	}
	if p := parseOne(t, preset("entra", "  codes: {digits: 8}\n")).Policy; p.Codes != (CodePolicy{8, 5}) {
		t.Errorf("a key does not override its preset: %+v", p.Codes)
	}
	if p := parseOne(t, preset("nist_aal2", "")).Policy; p.Reset.Gates != 2 || p.Password.MinLength != 15 {
		t.Errorf("nist_aal2: %+v", p)
	}
	if p := parseOne(t, preset("asvs", "")).Policy; p.Reset.Gates != 2 {
		t.Errorf("asvs: %+v", p)
	}
	for _, c := range []struct{ preset, lines, key string }{
		{"nist_aal2", "  reset: {gates: 1}\n", "policy.reset.gates"},
		{"nist_aal2", "  reset: {methods: [email, authenticator_code, security_questions]}\n", "policy.reset.methods"},
		{"nist_aal2", "  password: {min_length: 12}\n", "policy.password.min_length"},
		{"nist_aal2", "  password: {classes: 3}\n", "policy.password.classes"},
		{"nist_aal2", "  password: {expires_after_days: 90}\n", "policy.password.expires_after_days"},
		{"asvs", "  reset: {gates: 1}\n", "policy.reset.gates"},
		{"asvs", "  reset: {methods: [email, authenticator_code, security_questions]}\n", "policy.reset.methods"},
		{"asvs", "  password: {classes: 1}\n", "policy.password.classes"},
		{"asvs", "  password: {expires_after_days: 30}\n", "policy.password.expires_after_days"},
	} {
		faults := faultsOf(t, preset(c.preset, c.lines))
		if len(faults) != 1 || faults[0].Key != c.key || !strings.Contains(faults[0].Text, c.preset) || faults[0].Line == 0 {
			t.Errorf("%s with %q: %v, want a refusal of %s that names the preset", c.preset, c.lines, faults, c.key)
		}
	}
	// What the preset does not forbid in another one is allowed there.
	if faults := faultsOf(t, preset("kunci", "  reset: {gates: 2, methods: [email, authenticator_code, security_questions]}\n")); faults != nil {
		t.Errorf("kunci: %v", faults)
	}
}

func TestScope(t *testing.T) {
	for _, c := range []struct {
		scope, groups, not, mine string
		want                     bool
	}{
		{"none", "", "", "staff", false},
		{"all", "", "", "", true},
		{"all", "", "guests", "staff guests", false},
		{"all", "", "guests", "staff Guests", false},
		{"selected", "Staff", "", "staff", true},
		{"selected", "staff", "", "staff", true},
		{"selected", "staff it", "", "sales it", true},
		{"selected", "staff", "", "sales", false},
		{"selected", "staff", "", "", false},
		{"selected", "staff", "guests", "staff guests", false},
		{"somewhere", "staff", "", "staff", false},
	} {
		p := Policy{Reset: ResetPolicy{Scope: c.scope, Groups: strings.Fields(c.groups), ExcludeGroups: strings.Fields(c.not)}}
		if got := p.InScope(strings.Fields(c.mine)); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestDomainOfAUserID(t *testing.T) {
	for userID, want := range map[string]string{
		"alain@contoso.com": "contoso.com", " Alain@CONTOSO.com ": "contoso.com", "a@b@contoso.com": "contoso.com",
		"alain": "", "alain@": "", "": "",
		"alain@contoso.\u212Aom": "contoso.\u212Aom", // a Kelvin sign is no k
	} {
		if got := DomainOf(userID); got != want {
			t.Errorf("%q: %q, want %q", userID, got, want)
		}
	}
}

func TestADocumentIsWrittenAsItIsRead(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "logo.svg"), []byte(goodSVG), 0o600); err != nil {
		t.Fatal(err)
	}
	text := small + "branding: {logo: logo.svg}\nadministrators: [{user_id: adele@contoso.com, role: owner}]\n"
	first, err := Parse(strings.NewReader(text), folder)
	if err != nil {
		t.Fatal(err)
	}
	before := first[0].organization(&Organization{})
	written, err := config.Encode(before.Document())
	if err != nil {
		t.Fatal(err)
	}
	second, err := Parse(strings.NewReader(string(written)), "/nowhere")
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if changes := Difference(before, second[0].organization(&Organization{})); len(changes) > 0 {
		t.Errorf("reading what was written changes %v", changes)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(small)
	f.Add(small + "policy: {preset: asvs, reset: {gates: 2}}\n---\norganization: x\n")
	f.Add("a: &a [*a]\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := Parse(strings.NewReader(text), t.TempDir())
		if err != nil {
			if strings.Contains(err.Error(), "yaml:") || strings.Contains(err.Error(), "reflect") {
				t.Errorf("the error speaks to programmers: %v", err)
			}
			return
		}
		for _, d := range all {
			if wrong := d.Check(); len(wrong) > 0 {
				t.Errorf("what was taken is wrong: %v", wrong)
			}
		}
	})
}

func TestAMissingLogoIsNamed(t *testing.T) {
	folder := t.TempDir()
	_, err := Parse(strings.NewReader(small+"branding: {logo: logo.svg}\n"), folder)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(folder, "logo.svg")) {
		t.Errorf("the file is not named: %v", err)
	}
}
