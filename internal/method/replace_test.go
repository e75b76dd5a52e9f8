package method_test

import (
	"testing"

	"kunci.dev/kunci/internal/method"
)

func TestWhoIsAskedForASecondFactor(t *testing.T) {
	proved := func(k method.Kind, change func(*method.Method)) []method.Method {
		m := method.Method{Kind: k, Proved: true}
		if change != nil {
			change(&m)
		}
		return []method.Method{{Kind: method.Email, Proved: true}, m}
	}
	phoneOf := func(by string, used bool) func(*method.Method) {
		return func(m *method.Method) {
			m.ProvedBy = by
			if used {
				m.LastUsedAt = m.LastUsedAt.AddDate(2020, 0, 0)
			}
		}
	}
	for name, c := range map[string]struct {
		methods []method.Method
		want    bool
	}{
		"nothing":                 {nil, false},
		"an address":              {proved(method.Email, nil), false},
		"an app":                  {proved(method.AuthenticatorCode, nil), true},
		"an app that waits":       {proved(method.AuthenticatorCode, func(m *method.Method) { m.Proved = false }), false},
		"an app that is deleted":  {proved(method.AuthenticatorCode, func(m *method.Method) { m.DeletedAt = m.DeletedAt.AddDate(2020, 0, 0) }), false},
		"an app that is disabled": {proved(method.AuthenticatorCode, func(m *method.Method) { m.DisabledAt = m.DisabledAt.AddDate(2020, 0, 0) }), true},
		"codes":                   {proved(method.RecoveryCode, nil), true},
		"codes that are used up":  {proved(method.RecoveryCode, func(m *method.Method) { m.UsedCodes = 1<<method.RecoveryCodes - 1 }), false},
		"a passkey":               {proved(method.Passkey, nil), true},
		"a passkey of elsewhere":  {proved(method.Passkey, func(m *method.Method) { m.Elsewhere = true }), true},
		"a pass":                  {proved(method.TemporaryAccessPass, nil), false},
		"a phone of the administrator's, never used, no gateway":  {proved(method.MobilePhone, phoneOf(method.ByAdministrator, false)), false},
		"a phone of the administrator's that was used":            {proved(method.MobilePhone, phoneOf(method.ByAdministrator, true)), true},
		"a phone of the person's, no gateway":                     {proved(method.MobilePhone, phoneOf(method.ByPerson, false)), true},
		"an app of the administrator's, which needs nothing sent": {proved(method.AuthenticatorCode, phoneOf(method.ByAdministrator, false)), true},
	} {
		if got := method.AskForFactor(c.methods, func(k method.Kind) bool { return k.Class() != method.PhoneLine }); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
