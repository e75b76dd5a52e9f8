package console

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// policyLayout says which keys of a policy stand together, in which order. A
// name that ends in a dot is a group of its own with the keys below it.
var policyLayout = []struct {
	name string
	keys []string
}{
	{"preset", []string{"preset"}},
	{"reset", []string{
		"reset.scope", "reset.groups", "reset.exclude_groups", "reset.gates", "reset.methods", "reset.privileged",
		"reset.unlock_without_reset", "reset.disclose_status", "captcha", "new_method_waiting_hours", "after_reset_hours",
	}},
	{"registration", []string{
		"registration.required_at_sign_in", "registration.reconfirm_after_days", "registration.skips_allowed", "registration.skip_days",
		"registration.networks",
	}},
	{"codes", []string{"codes.digits", "codes.minutes", "phone.countries", "phone.per_day"}},
	{"questions", []string{"questions.to_register", "questions.to_reset", "questions.custom"}},
	{"password", []string{
		"password.min_length", "password.max_length", "password.classes", "password.history", "password.banned",
		"password.breached", "password.expires_after_days", "lockout.threshold", "lockout.seconds",
	}},
	{"administrators", []string{"administrators.gates", "notifications.user_on_reset", "notifications.admins_on_admin_reset", "notifications.helpdesk_mail"}},
	{"pass", []string{
		"temporary_access_pass.length", "temporary_access_pass.default_minutes", "temporary_access_pass.min_minutes",
		"temporary_access_pass.max_minutes", "temporary_access_pass.one_time",
	}},
	{"throttle", []string{
		"throttle.identity_failures.", "throttle.gate.", "throttle.email_sends.", "throttle.phone_sends.", "throttle.resets.",
		"throttle.organization_failures.",
	}},
}

// policyChoices are the values of the keys that have a few.
var policyChoices = map[string][]string{
	"preset":                      org.Presets(),
	"reset.scope":                 {org.ScopeNone, org.ScopeSelected, org.ScopeAll},
	"reset.gates":                 {"1", "2"},
	"reset.privileged":            {org.PrivilegedExclude, org.PrivilegedTwoStrongGates},
	"captcha":                     {org.CaptchaOff, org.CaptchaAdaptive, org.CaptchaAlways},
	"administrators.gates":        {"2"},
	"notifications.helpdesk_mail": {org.MailAtOnce, org.MailHourly, org.MailDaily, org.MailOff},
	"password.breached":           {"refuse", "allow"},
}

// Controls of a field.
const (
	controlNumber    = "number"
	controlTime      = "time"
	controlSwitch    = "switch"
	controlChoice    = "choice"
	controlKinds     = "kinds"
	controlLines     = "lines"
	controlQuestions = "questions"
)

// policyLeaf is one key that holds a value.
type policyLeaf struct {
	key, control string
	at           []int // its field, from org.Policy down
}

// policyLeaves lists every key of a policy.
var policyLeaves = leavesBelow(reflect.TypeFor[org.Policy](), "", nil)

func leavesBelow(t reflect.Type, prefix string, at []int) []policyLeaf {
	var all []policyLeaf
	for i := range t.NumField() {
		f := t.Field(i)
		leaf := policyLeaf{key: prefix + config.KeyOf(f), at: append(slices.Clone(at), i)}
		switch {
		case policyChoices[leaf.key] != nil:
			leaf.control = controlChoice
		case f.Type == reflect.TypeFor[time.Duration]():
			leaf.control = controlTime
		case f.Type == reflect.TypeFor[[]method.Kind]():
			leaf.control = controlKinds
		case f.Type == reflect.TypeFor[[]config.Texts]():
			leaf.control = controlQuestions
		case f.Type == reflect.TypeFor[[]string]():
			leaf.control = controlLines
		case f.Type.Kind() == reflect.Bool:
			leaf.control = controlSwitch
		case f.Type.Kind() == reflect.Int:
			leaf.control = controlNumber
		case f.Type.Kind() == reflect.Struct:
			all = append(all, leavesBelow(f.Type, leaf.key+".", leaf.at)...)
			continue
		default:
			panic("console: no control for the key " + leaf.key)
		}
		all = append(all, leaf)
	}
	return all
}

// leavesAt gives the keys at a place of the layout: one, or those of a group.
func leavesAt(place string) []policyLeaf {
	var all []policyLeaf
	for _, leaf := range policyLeaves {
		if leaf.key == place || strings.HasSuffix(place, ".") && strings.HasPrefix(leaf.key, place) {
			all = append(all, leaf)
		}
	}
	return all
}

// policyValues is a policy as the fields of the form: one text a field.
type policyValues map[string]string

const (
	on = "on"
	// everyone stands for all languages in the field of a question's text.
	everyone = "all"
)

// valuesOf fills the form from a policy.
func valuesOf(p org.Policy) policyValues {
	values := make(policyValues)
	for _, leaf := range policyLeaves {
		switch v := reflect.ValueOf(p).FieldByIndex(leaf.at).Interface().(type) {
		case []method.Kind:
			for _, k := range v {
				values[leaf.key+"."+string(k)] = on
			}
		case []config.Texts:
			for i, texts := range v {
				for lang, text := range texts {
					if lang == "" {
						lang = everyone
					}
					values[fmt.Sprintf("%s.%d.%s", leaf.key, i, lang)] = text
				}
			}
		case []string:
			values[leaf.key] = strings.Join(v, "\n")
		case bool:
			if v {
				values[leaf.key] = on
			}
		case time.Duration:
			values[leaf.key] = config.Duration(v)
		default:
			values[leaf.key] = fmt.Sprint(v)
		}
	}
	return values
}

// document is the policy that the fields describe, in the form in which every
// door takes one: what is wrong with it is for org.ParsePolicy to say.
func (v policyValues) document() (string, error) {
	root := make(map[string]any)
	for _, leaf := range policyLeaves {
		path := strings.Split(leaf.key, ".")
		below := root
		for _, name := range path[:len(path)-1] {
			if _, ok := below[name]; !ok {
				below[name] = make(map[string]any)
			}
			below = below[name].(map[string]any)
		}
		below[path[len(path)-1]] = v.value(leaf)
	}
	data, err := json.Marshal(root)
	return string(data), err
}

func (v policyValues) value(leaf policyLeaf) any {
	text := strings.TrimSpace(v[leaf.key])
	switch leaf.control {
	case controlSwitch:
		return text == on
	case controlKinds:
		return v.kinds(leaf.key)
	case controlQuestions:
		return v.questions(leaf.key)
	case controlLines:
		return v.lines(leaf.key)
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n
	}
	return text
}

// kinds are those that are ticked, in the order of the presets.
func (v policyValues) kinds(key string) []string {
	ticked := []string{}
	for _, k := range policyKinds() {
		if v[key+"."+string(k)] == on {
			ticked = append(ticked, string(k))
		}
	}
	return ticked
}

// policyKinds lists the kinds that a policy can name, those of the presets first.
func policyKinds() []method.Kind {
	all := slices.Clone(org.Defaults().Reset.Methods)
	for _, k := range method.Kinds() {
		if k.ProvesReset() && k != method.TemporaryAccessPass && !slices.Contains(all, k) {
			all = append(all, k)
		}
	}
	return all
}

// lines are the values of a list, one a line. Countries may stand beside each
// other, and in small letters.
func (v policyValues) lines(key string) []string {
	text, ends := v[key], "\r\n"
	if key == "phone.countries" {
		text, ends = strings.ToUpper(text), "\r\n,; "
	}
	lines := []string{}
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(ends, r) }) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// spareQuestions is how many empty ones a form has beside those that are there.
const spareQuestions = 2

// mostQuestions bounds the rows that are looked for; the check knows how many may be.
const mostQuestions = 40

func questionLanguages() []string { return append([]string{everyone}, i18n.Languages()...) }

// questions are the organization's own: a text for everybody, or one a
// language, where the text for everybody stands in for a language without one.
func (v policyValues) questions(key string) []any {
	all := []any{}
	for i := range mostQuestions {
		texts := make(map[string]string)
		for _, lang := range questionLanguages() {
			if text := strings.TrimSpace(v[fmt.Sprintf("%s.%d.%s", key, i, lang)]); text != "" {
				texts[lang] = text
			}
		}
		general, alone := texts[everyone]
		if alone && len(texts) == 1 {
			all = append(all, general)
			continue
		}
		if delete(texts, everyone); len(texts) == 0 {
			continue
		}
		for _, lang := range i18n.Languages() {
			if alone && texts[lang] == "" {
				texts[lang] = general
			}
		}
		all = append(all, texts)
	}
	return all
}

// policySection is a part of the form.
type policySection struct {
	Name   string
	Fields []policyField
}

// policyField is one key, or one of the inputs of a key that has several.
type policyField struct {
	Key, Control string
	Label        string
	About        string // what it means; a part has none
	Value        string
	Options      []policyOption
	Parts        []policyField
	// Usual says what the preset has, where the value is another.
	Usual string
	Fault string
}

// Listed tells whether the field is a group of inputs.
func (f policyField) Listed() bool { return len(f.Parts) > 0 || f.Control == controlKinds }

type policyOption struct {
	Value, Label string
	Chosen       bool
}

// policyForm lays the values out, with what is wrong beside each field.
func policyForm(printer *i18n.Printer, v policyValues, faults config.Faults) []policySection {
	var usual policyValues
	if p, ok := org.PresetPolicy(v["preset"]); ok {
		usual = valuesOf(p)
	}
	b := formBuilder{printer, v, usual, faults}
	sections := make([]policySection, len(policyLayout))
	for i, part := range policyLayout {
		sections[i].Name = part.name
		for _, key := range part.keys {
			sections[i].Fields = append(sections[i].Fields, b.field(key))
		}
	}
	return sections
}

type formBuilder struct {
	printer *i18n.Printer
	values  policyValues
	usual   policyValues // nil without a preset
	faults  config.Faults
}

func (b formBuilder) field(key string) policyField {
	if group, ok := strings.CutSuffix(key, "."); ok {
		f := b.named(group, "group")
		for _, leaf := range leavesAt(key) {
			part := policyField{Key: leaf.key, Control: leaf.control, Value: b.values[leaf.key], Fault: b.fault(leaf.key)}
			part.Label = b.printer.T("policy.part." + strings.TrimPrefix(leaf.key, key))
			f.Parts = append(f.Parts, part)
		}
		f.Usual = b.usually(key)
		return f
	}
	leaf := leavesAt(key)[0]
	f := b.named(key, leaf.control)
	f.Value, f.Fault = b.values[key], b.fault(key)
	switch leaf.control {
	case controlChoice:
		for _, value := range policyChoices[key] {
			f.Options = append(f.Options, policyOption{value, optionWords(b.printer, key, value), value == f.Value})
		}
	case controlKinds:
		for _, k := range policyKinds() {
			f.Options = append(f.Options, policyOption{string(k), b.printer.T("kind." + string(k)), b.values[key+"."+string(k)] == on})
		}
	case controlQuestions:
		f.Parts = b.questions(key)
	}
	if key != "preset" && !slices.Contains(ownKeys, key) {
		f.Usual = b.usually(key)
	}
	return f
}

func (b formBuilder) named(key, control string) policyField {
	return policyField{Key: key, Control: control, Label: b.printer.T("policy.key." + key), About: b.printer.T("policy.about." + key)}
}

// usually says what the preset has at a place, unless the fields hold the same.
func (b formBuilder) usually(place string) string {
	var words []string
	same := true
	for _, leaf := range leavesAt(place) {
		words = append(words, b.usual.words(b.printer, leaf))
		same = same && reflect.DeepEqual(b.usual.value(leaf), b.values.value(leaf))
	}
	if same || b.usual == nil {
		return ""
	}
	return b.printer.T("policy.usual", "value", strings.Join(words, ", "))
}

func (b formBuilder) questions(key string) []policyField {
	var rows []policyField
	for i, spare := 0, 0; i < mostQuestions && spare < spareQuestions; i++ {
		empty := true
		for _, lang := range questionLanguages() {
			part := policyField{Key: fmt.Sprintf("%s.%d.%s", key, i, lang), Control: controlTime, Label: languageWords(b.printer, i+1, lang)}
			part.Value = b.values[part.Key]
			empty = empty && part.Value == ""
			rows = append(rows, part)
		}
		if empty {
			spare++
		}
	}
	return rows
}

func languageWords(printer *i18n.Printer, number int, lang string) string {
	name := printer.T("policy.part.all")
	if lang != everyone {
		name = i18n.For(lang).Name()
	}
	return printer.T("policy.part.question", "number", number, "language", name)
}

func optionWords(printer *i18n.Printer, key, value string) string {
	return printer.T("policy.option." + key + "." + value)
}

// fault is what is wrong with a key, or with a place in its list.
func (b formBuilder) fault(key string) string {
	var all []string
	for _, f := range b.faults {
		if name, _, _ := strings.Cut(f.Key, "["); name == key {
			all = append(all, f.In(b.printer))
		}
	}
	return strings.Join(all, "; ")
}

// words is the value of a key as people say it.
func (v policyValues) words(printer *i18n.Printer, leaf policyLeaf) string {
	var said string
	switch value := v.value(leaf).(type) {
	case bool:
		said = printer.T("console.settings.no")
		if value {
			said = printer.T("console.settings.yes")
		}
	case []string:
		if leaf.control == controlKinds {
			for i := range value {
				value[i] = printer.T("kind." + value[i])
			}
		}
		said = strings.Join(value, ", ")
	case []any:
		texts := make([]string, len(value))
		for i, q := range value {
			texts[i] = fmt.Sprint(q)
			if byLanguage, ok := q.(map[string]string); ok {
				texts[i] = config.Texts(byLanguage).In(printer.Lang())
			}
		}
		said = strings.Join(texts, "; ")
	default:
		if said = fmt.Sprint(value); leaf.control == controlChoice {
			said = optionWords(printer, leaf.key, said)
		}
	}
	if said == "" {
		return "—"
	}
	return said
}

// policyChange is a difference in words.
type policyChange struct{ Key, Before, After string }

// changesInWords compares two policies, key by key, in the order of the form.
func changesInWords(printer *i18n.Printer, before, after org.Policy) []policyChange {
	was, is := valuesOf(before), valuesOf(after)
	var all []policyChange
	for _, part := range policyLayout {
		for _, key := range part.keys {
			for _, leaf := range leavesAt(key) {
				if !reflect.DeepEqual(was.value(leaf), is.value(leaf)) {
					all = append(all, policyChange{keyWords(printer, key, leaf.key), was.words(printer, leaf), is.words(printer, leaf)})
				}
			}
		}
	}
	return all
}

func keyWords(printer *i18n.Printer, place, key string) string {
	if last, below := strings.CutPrefix(key, place); below && last != "" {
		return printer.T("policy.key."+strings.TrimSuffix(place, ".")) + ": " + printer.T("policy.part."+last)
	}
	return printer.T("policy.key." + key)
}

// ownKeys are the organization's own, and no preset can know them.
var ownKeys = []string{"reset.groups", "reset.exclude_groups", "registration.networks", "phone.countries", "password.banned", "questions.custom"}

// withPreset gives another preset's values, and keeps what is the organization's
// own; false when there is no such preset.
func (v policyValues) withPreset(name string) (policyValues, bool) {
	p, ok := org.PresetPolicy(name)
	if !ok {
		return nil, false
	}
	filled := valuesOf(p)
	for key, value := range v {
		for _, own := range ownKeys {
			if key == own || strings.HasPrefix(key, own+".") {
				filled[key] = value
			}
		}
	}
	return filled, true
}
