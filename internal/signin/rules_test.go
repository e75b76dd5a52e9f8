package signin_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/session"
	"kunci.dev/kunci/internal/signin"
	"kunci.dev/kunci/internal/store/storetest"
)

var (
	now     = storetest.NewClock().Now()
	mailbox = method.Method{ID: "mail", Kind: method.Email, Value: "a@example.org", Proved: true, ProvedAt: now.Add(-day(400))}
	app     = method.Method{ID: "app", Kind: method.AuthenticatorCode, Proved: true, ProvedAt: now.Add(-day(400))}
	codes   = method.Method{ID: "codes", Kind: method.RecoveryCode, Proved: true, ProvedAt: now.Add(-day(400))}
)

// someone is somebody who is in and registered, with changes.
func someone(change func(*signin.Signed)) signin.Signed {
	s := signin.Signed{
		Session: session.Session{Level: session.Full}, Org: &org.Organization{Policy: org.Defaults()}, Now: now, Methods: []method.Method{mailbox},
		Account: account.Account{RegisteredAt: now.Add(-day(10)), Entry: directory.Entry{UserID: alain, Source: directory.Managed}},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// passed lets somebody in by a pass that an administrator issued.
func passed(s *signin.Signed) {
	s.Methods = []method.Method{mailbox, {ID: "pass", Kind: method.TemporaryAccessPass, Proved: true, ProvedAt: now.Add(-time.Minute), Spent: true}}
	s.Session.FactorID, s.Session.PassID, s.Session.FactorAt = "pass", "pass", now.Add(-time.Second)
}

func TestWhatAnInterruptAsks(t *testing.T) {
	none := func(s *signin.Signed) { s.Methods, s.Account.RegisteredAt = nil, time.Time{} }
	for name, test := range map[string]struct {
		change func(*signin.Signed)
		want   signin.Interrupt
	}{
		"registered": {nil, signin.Interrupt{}},
		"nothing registered": {none,
			signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 3}},
		"not enough for two gates": {func(s *signin.Signed) { s.Org.Policy.Reset.Gates = 2 },
			signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 3}},
		"not asked for": {func(s *signin.Signed) { none(s); s.Org.Policy.Registration.RequiredAtSignIn = false }, signin.Interrupt{}},
		"an administrator asks all the same": {func(s *signin.Signed) {
			s.Account.MustRegister, s.Org.Policy.Registration.RequiredAtSignIn = true, false
		},
			signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 3}},
		"two skips used": {func(s *signin.Signed) { none(s); s.Account.SkipsUsed, s.Account.FirstAskedAt = 2, now.Add(-day(1)) },
			signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 1, Until: now.Add(day(13))}},
		"every skip used":                         {func(s *signin.Signed) { none(s); s.Account.SkipsUsed = 3 }, signin.Interrupt{Ask: signin.AskRegister}},
		"more skips used than the policy has now": {func(s *signin.Signed) { none(s); s.Account.SkipsUsed = 9 }, signin.Interrupt{Ask: signin.AskRegister}},
		"the last day is over": {func(s *signin.Signed) { none(s); s.Account.FirstAskedAt = now.Add(-day(14)) },
			signin.Interrupt{Ask: signin.AskRegister, SkipsLeft: 3, Until: now}},
		"no last day": {func(s *signin.Signed) {
			none(s)
			s.Account.FirstAskedAt, s.Org.Policy.Registration.SkipDays = now.Add(-day(900)), 0
		}, signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 3}},
		"no skips":     {func(s *signin.Signed) { none(s); s.Org.Policy.Registration.SkipsAllowed = 0 }, signin.Interrupt{Ask: signin.AskRegister}},
		"out of scope": {func(s *signin.Signed) { none(s); s.Org.Policy.Reset.Scope = org.ScopeNone }, signin.Interrupt{}},
		"excluded group": {func(s *signin.Signed) {
			none(s)
			s.Org.Policy.Reset.ExcludeGroups, s.Account.Entry.Groups = []string{"x"}, []string{"x"}
		}, signin.Interrupt{}},
		"kept elsewhere":             {func(s *signin.Signed) { none(s); s.Account.Entry.Source = directory.External }, signin.Interrupt{}},
		"protected by the directory": {func(s *signin.Signed) { none(s); s.Account.Entry.Privileged = true }, signin.Interrupt{}},
		"protected, and may reset": {func(s *signin.Signed) {
			none(s)
			s.Account.Entry.Privileged, s.Org.Policy.Reset.Privileged = true, org.PrivilegedTwoStrongGates
		}, signin.Interrupt{Ask: signin.AskRegister, CanSkip: true, SkipsLeft: 3}},
		"half a year ago":      {func(s *signin.Signed) { s.Account.RegisteredAt = now.Add(-day(180)) }, signin.Interrupt{Ask: signin.AskConfirm}},
		"a second before that": {func(s *signin.Signed) { s.Account.RegisteredAt = now.Add(time.Second - day(180)) }, signin.Interrupt{}},
		"confirmed since": {func(s *signin.Signed) {
			s.Account.RegisteredAt, s.Account.ReconfirmedAt = now.Add(-day(400)), now.Add(-day(9))
		}, signin.Interrupt{}},
		"confirmed long ago": {func(s *signin.Signed) {
			s.Account.RegisteredAt, s.Account.ReconfirmedAt = now.Add(-day(400)), now.Add(-day(200))
		}, signin.Interrupt{Ask: signin.AskConfirm}},
		"registered anew since": {func(s *signin.Signed) { s.Account.ReconfirmedAt = now.Add(-day(400)) }, signin.Interrupt{}},
		"never confirm": {func(s *signin.Signed) {
			s.Account.RegisteredAt = now.Add(-day(900))
			s.Org.Policy.Registration.ReconfirmAfterDays = 0
		}, signin.Interrupt{}},
		"confirming is not asked": {func(s *signin.Signed) {
			s.Account.RegisteredAt = now.Add(-day(900))
			s.Org.Policy.Registration.RequiredAtSignIn = false
		}, signin.Interrupt{}},
		"let in by a pass": {func(s *signin.Signed) { passed(s) }, signin.Interrupt{Ask: signin.AskRegister, SkipsLeft: 3}},
		"let in by a pass, nothing is asked at sign-in": {func(s *signin.Signed) {
			passed(s)
			s.Org.Policy.Registration.RequiredAtSignIn = false
		}, signin.Interrupt{Ask: signin.AskRegister, SkipsLeft: 3}},
		"let in by a pass, registered since": {func(s *signin.Signed) {
			passed(s)
			s.Methods[0].ProvedAt = now
		}, signin.Interrupt{}},
		"a pass nobody used": {func(s *signin.Signed) {
			passed(s)
			s.Session.FactorID, s.Session.PassID = "", ""
		}, signin.Interrupt{}},
		"let in by a pass, and proved by something else since": {func(s *signin.Signed) {
			passed(s)
			s.Session.FactorID = "app"
		}, signin.Interrupt{}},
		"registered before we knew": {func(s *signin.Signed) { s.Account.RegisteredAt = time.Time{} }, signin.Interrupt{}},
	} {
		if got := someone(test.change).Interrupt(); got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

func TestWhatComesNext(t *testing.T) {
	due := func(s *signin.Signed) { s.Methods = nil }
	for name, test := range map[string]struct {
		change   func(*signin.Signed)
		answered bool
		want     signin.Step
	}{
		"in":                     {nil, false, signin.StepIn},
		"interrupt":              {due, false, signin.StepInterrupt},
		"answered":               {due, true, signin.StepIn},
		"password first":         {func(s *signin.Signed) { due(s); s.Session.MustChange = true }, false, signin.StepPassword},
		"factor before anything": {func(s *signin.Signed) { due(s); s.Session.MustChange, s.Session.Level = true, session.Partial }, true, signin.StepVerify},
		"no level is not full":   {func(s *signin.Signed) { s.Session.Level = "" }, false, signin.StepVerify},
	} {
		if got := signin.Next(someone(test.change), test.answered); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestWhichMethodsAreFactors(t *testing.T) {
	with := func(m method.Method, change func(*method.Method)) method.Method { change(&m); return m }
	for name, test := range map[string]struct {
		methods []method.Method
		asks    bool
		offered string
	}{
		"none":                  {nil, false, ""},
		"a mailbox is none":     {[]method.Method{mailbox}, false, ""},
		"strongest first":       {[]method.Method{mailbox, codes, app}, true, "app codes "},
		"the default first":     {[]method.Method{app, with(codes, func(m *method.Method) { m.Default = true })}, true, "codes app "},
		"unproved":              {[]method.Method{with(app, func(m *method.Method) { m.Proved = false })}, false, ""},
		"deleted":               {[]method.Method{with(app, func(m *method.Method) { m.DeletedAt = now })}, false, ""},
		"disabled still asks":   {[]method.Method{with(app, func(m *method.Method) { m.DisabledAt = now })}, true, ""},
		"disabled beside codes": {[]method.Method{with(app, func(m *method.Method) { m.DisabledAt = now }), codes}, true, "codes "},
		"used-up codes":         {[]method.Method{with(codes, func(m *method.Method) { m.UsedCodes = 1<<method.RecoveryCodes - 1 })}, false, ""},
	} {
		s := someone(func(s *signin.Signed) { s.Methods = test.methods })
		offered := ""
		for _, m := range s.Factors() {
			offered += m.ID + " "
		}
		if s.HasFactor() != test.asks || offered != test.offered {
			t.Errorf("%s: asks %v, offers %q", name, s.HasFactor(), offered)
		}
	}
	for _, k := range method.Kinds() {
		m := method.Method{ID: "m", Kind: k, Proved: true, Value: "x"}
		s := someone(func(s *signin.Signed) { s.Methods = []method.Method{m} })
		if !k.Built() && (s.HasFactor() || len(s.Factors()) > 0) {
			t.Errorf("%s keeps people out, and nothing can verify it", k)
		}
	}
}

func TestAFreshProofIsTheStrongest(t *testing.T) {
	s := someone(func(s *signin.Signed) {
		s.Methods = []method.Method{app}
		s.Session.PasswordAt = now
	})
	if s.Fresh(signin.FreshFor) {
		t.Error("the password is enough where there is a factor")
	}
	s.Session.FactorAt = now.Add(-signin.FreshForPasskey - time.Second)
	if !s.Fresh(signin.FreshFor) || s.Fresh(signin.FreshForPasskey) {
		t.Error("a factor of five minutes ago")
	}
	s.Methods[0].DisabledAt = now
	s.Session.FactorAt = time.Time{}
	if s.Fresh(signin.FreshFor) {
		t.Error("a disabled factor is as good as none")
	}
}
