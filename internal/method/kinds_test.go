package method

import "testing"

func TestKinds(t *testing.T) {
	// The table of the design: class, proves a reset, proves a sign-in, per person.
	want := map[Kind]struct {
		class         Class
		reset, signIn bool
		limit         int
	}{
		Passkey:             {PasskeyClass, true, true, 10},
		AuthenticatorCode:   {Authenticator, true, true, 5},
		AuthenticatorPush:   {Authenticator, true, true, 5},
		HardwareToken:       {Authenticator, true, true, 5},
		RecoveryCode:        {Paper, true, true, 1},
		Email:               {Mailbox, true, false, 2},
		MobilePhone:         {PhoneLine, true, true, 2},
		OfficePhone:         {PhoneLine, true, true, 1},
		SecurityQuestions:   {Knowledge, true, false, 1},
		TemporaryAccessPass: {Pass, true, true, 1},
	}
	if len(Kinds()) != len(want) {
		t.Errorf("%d kinds", len(Kinds()))
	}
	for i, k := range Kinds() {
		w := want[k]
		if k.Class() != w.class || k.ProvesReset() != w.reset || k.ProvesSignIn() != w.signIn || k.Limit() != w.limit {
			t.Errorf("%s: %v", k, k.facts())
		}
		if k.Strength() != i {
			t.Errorf("%s: strength %d", k, k.Strength())
		}
		if parsed, ok := ParseKind(string(k)); !ok || parsed != k {
			t.Errorf("%s is not parsed", k)
		}
	}
	for _, k := range []Kind{Email, AuthenticatorCode, RecoveryCode, MobilePhone, OfficePhone} {
		if !k.Built() {
			t.Errorf("%s is not built", k)
		}
	}
	if k := Kind("palm_reading"); k.Known() || k.Built() || k.ProvesReset() || k.ProvesSignIn() || k.Class() != "" || len(k.sharing()) != 0 {
		t.Error("an unknown kind is worth something")
	}
}
