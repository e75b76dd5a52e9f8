package console

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/throttle"
)

// A new key of a policy that stands nowhere on the form fails here.
func TestEveryKeyOfAPolicyStandsOnTheForm(t *testing.T) {
	placed := make(map[string]int)
	for _, part := range policyLayout {
		for _, key := range part.keys {
			for _, leaf := range leavesAt(key) {
				placed[leaf.key]++
			}
		}
	}
	for _, leaf := range policyLeaves {
		if placed[leaf.key] != 1 {
			t.Errorf("%s stands on the form %d times", leaf.key, placed[leaf.key])
		}
	}
	if len(policyLeaves) < 50 {
		t.Errorf("%d keys", len(policyLeaves))
	}
}

// Every label, meaning and choice has its words in every language.
func TestEveryKeyOfAPolicyHasItsWords(t *testing.T) {
	for _, lang := range i18n.Languages() {
		printer := i18n.For(lang)
		asked := func(key string) {
			if !printer.Has(key) {
				t.Errorf("%s lacks %s", lang, key)
			}
		}
		for _, part := range policyLayout {
			asked("policy.section." + part.name)
			for _, key := range part.keys {
				asked("policy.key." + strings.TrimSuffix(key, "."))
				asked("policy.about." + strings.TrimSuffix(key, "."))
			}
		}
		for key, values := range policyChoices {
			for _, value := range values {
				asked("policy.option." + key + "." + value)
			}
		}
		for _, k := range policyKinds() {
			asked("kind." + string(k))
		}
		for _, s := range policyForm(printer, valuesOf(org.Defaults()), nil) {
			for _, f := range s.Fields {
				for _, one := range append([]policyField{f}, f.Parts...) {
					if strings.HasPrefix(one.Label, "policy.") || one.Label == "" {
						t.Errorf("%s: the field %s is called %q", lang, one.Key, one.Label)
					}
				}
			}
		}
	}
}

// unusual differs from every preset at every key.
func unusual() org.Policy {
	p := org.Defaults()
	p.Reset = org.ResetPolicy{
		Scope: org.ScopeSelected, Groups: []string{"cn=staff, all,dc=contoso", "guests"}, ExcludeGroups: []string{"robots"}, Gates: 2,
		Methods: []method.Kind{method.Email, method.Passkey, method.SecurityQuestions}, Privileged: org.PrivilegedTwoStrongGates,
	}
	p.Registration = org.RegistrationPolicy{ReconfirmAfterDays: 90, SkipsAllowed: 1, SkipDays: 2, Networks: []string{"192.0.2.0/24", "2001:db8::/32"}}
	p.Questions = org.QuestionPolicy{ToRegister: 4, ToReset: 3, Custom: []config.Texts{{"": "Nama kantor pertama?"}, {"id": "Warna meja?", "en": "Colour of the desk?"}}}
	p.Notifications = org.Notifications{HelpdeskMail: org.MailDaily}
	p.Captcha, p.Codes = org.CaptchaAlways, org.CodePolicy{Digits: 7, Minutes: 3}
	p.Phone = org.PhonePolicy{Countries: []string{"ID", "SG"}, PerDay: 3}
	p.NewMethodWaitingHours, p.AfterResetHours = 5, 6
	p.Password = org.PasswordPolicy{MinLength: 14, MaxLength: 128, Classes: 2, History: 9, Banned: []string{"kunci raya"}, Breached: "allow", ExpiresAfterDays: 30}
	p.Lockout = org.Lockout{Threshold: 4, Seconds: 90}
	odd := throttle.Limit{Limit: 3, Per: 90 * time.Second, Lock: 36 * time.Hour}
	p.Throttle = org.Throttles{IdentityFailures: odd, Gate: odd, EmailSends: odd, PhoneSends: odd, Resets: odd, OrganizationFailures: odd}
	p.TemporaryAccessPass = org.PassPolicy{Length: 20, DefaultMinutes: 50, MinMinutes: 40, MaxMinutes: 700}
	return p
}

// What the form shows is what it gives back: nothing of a policy is lost on its
// way through the fields.
func TestAPolicyComesBackFromTheForm(t *testing.T) {
	policies := map[string]org.Policy{"unusual": unusual()}
	for _, name := range org.Presets() {
		policies[name], _ = org.PresetPolicy(name)
	}
	for name, want := range policies {
		if name == "unusual" {
			for _, leaf := range policyLeaves {
				same := reflect.DeepEqual(valuesOf(want).value(leaf), valuesOf(org.Defaults()).value(leaf))
				if fixed := leaf.key == "preset" || leaf.key == "administrators.gates" || leaf.key == "questions.to_reset"; same && !fixed {
					t.Errorf("the unusual policy is usual at %s", leaf.key)
				}
			}
		}
		// Only what the page sends counts: the inputs of the fields as they are laid out.
		sent := make(policyValues)
		for _, s := range policyForm(i18n.For("en"), valuesOf(want), nil) {
			for _, f := range s.Fields {
				for _, one := range append([]policyField{f}, f.Parts...) {
					if len(one.Key) > 64 {
						t.Errorf("%s is too long for a field's name", one.Key)
					}
					sent[one.Key] = one.Value
					for _, o := range one.Options {
						switch {
						case one.Control == controlKinds && o.Chosen:
							sent[one.Key+"."+o.Value] = on
						case one.Control == controlChoice && o.Chosen:
							sent[one.Key] = o.Value
						}
					}
				}
			}
		}
		text, err := sent.document()
		if err != nil {
			t.Fatal(err)
		}
		got, err := org.ParsePolicy(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		// The order of the methods says nothing.
		slices.Sort(want.Reset.Methods)
		slices.Sort(got.Reset.Methods)
		if a, b := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); a != b {
			t.Errorf("%s came back as\n%s\nwant\n%s", name, a, b)
		}
	}
}

// A wrong value stands in its field with what is wrong, in the reader's language.
func TestAWrongValueIsBlamedAtItsField(t *testing.T) {
	for _, c := range []struct{ key, value, en, id string }{
		{"reset.gates", "9", "expected a number from 1 to 2", "tulis bilangan dari 1 sampai 2"},
		{"codes.digits", "delapan", "expected a whole number", "tulis sebuah bilangan bulat"},
		{"password.min_length", "", "expected a whole number", "tulis sebuah bilangan bulat"},
		{"phone.countries", "ID\nQQ", "expected a country of two letters, such as ID", "tulis kode negara dua huruf, misalnya ID"},
		{"throttle.gate.per", "besok", `expected a time such as "24h", "10m" or "30s"`, `tulis waktu seperti "24h", "10m", atau "30s" (jam, menit, detik)`},
		{"password.banned", "abc", "expected a term of 4 to 64 characters", "tulis kata dengan 4 sampai 64 karakter"},
		{"captcha", "sometimes", "expected off, adaptive, always", "pilih salah satu: off, adaptive, always"},
		{"questions.custom.1.id", "Eh", "expected a question of 3 to 200 characters", "tulis pertanyaan dengan 3 sampai 200 karakter"},
	} {
		values := valuesOf(unusual())
		values[c.key] = c.value
		text, err := values.document()
		if err != nil {
			t.Fatal(err)
		}
		var faults config.Faults
		if _, err := org.ParsePolicy(strings.NewReader(text)); !errors.As(err, &faults) || len(faults) != 1 {
			t.Errorf("%s: %v", c.key, err)
			continue
		}
		for lang, want := range map[string]string{"en": c.en, "id": c.id} {
			sections := policyForm(i18n.For(lang), values, faults)
			if left := elsewhere(i18n.For(lang), sections, faults); len(left) > 0 {
				t.Errorf("%s: no field shows %v", c.key, left)
			}
			place := firstFault(sections)
			if place == "" || !strings.HasPrefix(c.key, place) {
				t.Errorf("%s is blamed at %q", c.key, place)
			}
			for _, s := range sections {
				for _, f := range s.Fields {
					for _, one := range append([]policyField{f}, f.Parts...) {
						if one.Fault != "" && one.Fault != want {
							t.Errorf("%s, %s: %q", c.key, lang, one.Fault)
						}
						if one.Key == c.key && one.Control != controlChoice && one.Value != c.value {
							t.Errorf("%s: what was typed is lost: %q", c.key, one.Value)
						}
					}
				}
			}
		}
	}
}

// Every sentence about a wrong file is, in English, the one that a file gets.
func TestFaultsSayTheSameOnTheConsole(t *testing.T) {
	english := i18n.For("en")
	for _, text := range []string{
		"gates: 1", "reset: {gates: x}", "reset: 7", "reset: {methods: email}", "rest: {gates: 1}", "colour: 1", "captcha: [a]",
		"reset: {gates: 1, gates: 2}", "reset: {disclose_status: perhaps}", "throttle: {gate: {per: soon}}", "questions: {custom: [[a]]}",
		"preset: nobody", "preset: nist_aal2\nreset: {gates: 1}", "reset: {methods: [email, email]}", "reset: {methods: [pigeon]}", "a: [", "a: &x 1\nb: *x",
	} {
		var faults config.Faults
		if _, err := org.ParsePolicy(strings.NewReader(text)); !errors.As(err, &faults) {
			t.Errorf("%q: %v", text, err)
		}
		for _, f := range faults {
			if f.Code == "" || !english.Has("fault."+f.Code) {
				t.Errorf("%q has no sentence: %+v", text, f)
			} else if got := f.In(english); got != f.Text {
				t.Errorf("%q: the console says %q, the file %q", text, got, f.Text)
			}
		}
	}
}

// Another preset's values never take what is the organization's own.
func TestAPresetKeepsWhatIsTheOrganizations(t *testing.T) {
	own := valuesOf(unusual())
	filled, ok := own.withPreset(org.PresetNIST)
	if !ok {
		t.Fatal("there is no preset nist_aal2")
	}
	for _, key := range []string{"reset.groups", "reset.exclude_groups", "phone.countries", "password.banned", "questions.custom.0.all", "questions.custom.1.id"} {
		if filled[key] == "" || filled[key] != own[key] {
			t.Errorf("%s: %q became %q", key, own[key], filled[key])
		}
	}
	if filled["preset"] != org.PresetNIST || filled["password.min_length"] != "15" || filled["reset.disclose_status"] != on || filled["reset.methods.security_questions"] == on {
		t.Errorf("filled: %v", filled)
	}
	if _, ok := own.withPreset("nobody"); ok {
		t.Error("a preset that does not exist was filled in")
	}
}

// The differences are told in words and in the order of the form.
func TestChangesAreToldInWords(t *testing.T) {
	after := org.Defaults()
	after.Reset.Gates, after.Reset.UnlockWithoutReset = 2, false
	after.Throttle.Gate.Lock = time.Hour
	got := fmt.Sprint(changesInWords(i18n.For("id"), org.Defaults(), after))
	want := "[{Verifikasi untuk mengatur ulang Satu Dua} {Buka kunci tanpa kata sandi baru ya tidak} {Jawaban verifikasi salah: Lalu dikunci selama 24h 1h}]"
	if got != want {
		t.Errorf("told as %s\nwant %s", got, want)
	}
}
