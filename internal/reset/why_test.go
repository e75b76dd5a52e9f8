package reset

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
)

// somebody has every kind of method, one of each, under a policy of their own.
func somebody(t *testing.T, policy string, kinds ...method.Kind) facts {
	t.Helper()
	documents, err := org.Parse(strings.NewReader("organization: contoso\nname: Contoso\ndomains: [contoso.com]\npolicy: "+policy+"\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	o := &org.Organization{ID: "contoso", Name: "Contoso", Policy: documents[0].Policy, Channels: org.Channels{Text: true, Call: true}}
	f := facts{org: o, known: true, now: now, account: account.Account{Entry: directory.Entry{UserID: "alain@contoso.com", Source: directory.Managed}}}
	for _, k := range kinds {
		m := method.Method{ID: string(k), Kind: k, Proved: true, ProvedAt: now.Add(-time.Hour), Secret: []byte("x")}
		switch k.Class() {
		case method.PhoneLine:
			m.Value = "+6281234567842"
		case method.Mailbox:
			m.Value = "alain@example.net"
		}
		f.methods = append(f.methods, m)
	}
	return f
}

// The choose page lists the strongest first, whatever the order of registration,
// and says of everything that cannot be used why, in words of every language.
func TestTheChoicesAreInOrderAndSayWhy(t *testing.T) {
	all := []method.Kind{
		method.TemporaryAccessPass, method.OfficePhone, method.MobilePhone, method.Email, method.RecoveryCode, method.HardwareToken,
		method.AuthenticatorPush, method.AuthenticatorCode, method.Passkey,
	}
	f := somebody(t, "{phone: {countries: [ID]}}", all...)
	var order []method.Kind
	for _, c := range f.choices(nil) {
		order = append(order, c.Kind)
		if !c.Usable || c.Why != "" {
			t.Errorf("%s: %s", c.Kind, c.Why)
		}
	}
	want := slices.DeleteFunc(method.Kinds(), func(k method.Kind) bool { return !slices.Contains(all, k) })
	if !slices.Equal(order, want) || order[0] != method.Passkey {
		t.Errorf("listed %v, want %v", order, want)
	}
	for name, c := range map[string]struct {
		policy string
		passed []method.Kind
		change func(f *facts, m *method.Method)
		kind   method.Kind
		others []method.Kind
		why    string
	}{
		"not allowed":         {"{reset: {methods: [email]}}", nil, nil, method.RecoveryCode, nil, "policy"},
		"never proved":        {"{}", nil, func(_ *facts, m *method.Method) { m.DisabledAt = m.ProvedAt }, method.Email, nil, "disabled"},
		"copied":              {"{}", nil, func(_ *facts, m *method.Method) { m.DisabledAt = m.ProvedAt }, method.Passkey, nil, "copied"},
		"another address":     {"{}", nil, func(_ *facts, m *method.Method) { m.Elsewhere = true }, method.Passkey, nil, "address"},
		"no gateway":          {"{phone: {countries: [ID]}}", nil, func(f *facts, _ *method.Method) { f.org.Channels = org.Channels{} }, method.MobilePhone, nil, "not-set-up"},
		"another country":     {"{phone: {countries: [SG]}}", nil, nil, method.MobilePhone, nil, "country"},
		"all codes burnt":     {"{}", nil, func(_ *facts, m *method.Method) { m.UsedCodes = 1<<method.RecoveryCodes - 1 }, method.RecoveryCode, nil, "used-up"},
		"new":                 {"{new_method_waiting_hours: 4}", nil, nil, method.Email, nil, "waiting"},
		"too many tries":      {"{}", nil, func(f *facts, m *method.Method) { f.locked = map[string]time.Duration{m.ID: time.Hour} }, method.Email, nil, "blocked"},
		"of the same sort":    {"{preset: asvs}", []method.Kind{method.AuthenticatorCode}, nil, method.HardwareToken, []method.Kind{method.Email}, "same-class"},
		"with nothing beside": {"{preset: asvs}", nil, nil, method.Email, []method.Kind{method.AuthenticatorCode}, ""},
		"alone":               {"{preset: asvs}", nil, nil, method.Email, nil, "no-second"},
		"two that are sent":   {"{preset: nist_aal2, phone: {countries: [ID]}}", []method.Kind{method.Email}, nil, method.MobilePhone, nil, "same-class"},
	} {
		f := somebody(t, c.policy, append([]method.Kind{c.kind}, c.others...)...)
		if c.change != nil {
			c.change(&f, &f.methods[0])
		}
		for _, choice := range f.choices(c.passed) {
			if choice.Kind != c.kind {
				continue
			}
			if got := strings.TrimPrefix(choice.Why, "reset.why."); got != c.why || choice.Usable != (c.why == "") {
				t.Errorf("%s: %q, want %q", name, got, c.why)
			}
			for _, lang := range i18n.Languages() {
				if text := i18n.For(lang).TMap(choice.Why, choice.Args); c.why != "" && (text == "" || strings.Contains(text, "reset.why") || strings.Contains(text, "no value")) {
					t.Errorf("%s in %s: %q", name, lang, text)
				}
			}
		}
	}
}

// can-reset names the pair that passes two gates, or says that there is none.
func TestWhyAPairIsNone(t *testing.T) {
	for _, c := range []struct {
		policy string
		kinds  []method.Kind
		says   string
	}{
		{"{}", []method.Kind{method.Email}, ""},
		{"{preset: asvs}", []method.Kind{method.Email, method.AuthenticatorCode}, "authenticator_code and email"},
		{"{preset: asvs}", []method.Kind{method.AuthenticatorCode, method.HardwareToken}, "No two of them may stand together (authenticator_code, hardware_token"},
		{"{preset: nist_aal2, phone: {countries: [ID]}}", []method.Kind{method.Email, method.MobilePhone}, "preset nist_aal2"},
		{"{preset: asvs, phone: {countries: [ID]}}", []method.Kind{method.Email, method.MobilePhone}, "email and mobile_phone"},
		{"{preset: asvs}", []method.Kind{method.Email}, "No two of them may stand together (email"},
	} {
		f := somebody(t, c.policy, c.kinds...)
		pair, asked := f.pair()
		if text := i18n.For("en").TMap(pair.Key, pair.Args); asked != (c.says != "") || asked && (!strings.Contains(text, c.says) || pair.OK != f.enough(nil)) {
			t.Errorf("%s %v: %v %q", c.policy, c.kinds, pair.OK, text)
		}
	}
}
