package challenge_test

import (
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"

	"kunci.dev/kunci/internal/challenge"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// A new passkey is held against everything that was asked for, and is nobody
// else's (W-02…W-06).
func TestANewPasskeyWithOneThingWrongIsNotKept(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		taken := newPhone(virtualwebauthn.KeyTypeEC2)
		w.register(w.other(), taken)
		for name, wrong := range map[string]struct {
			make func(p *phone, options string) string
			code problem.Code
		}{
			"origin":       {func(p *phone, o string) string { p.rp.Origin = "https://evil.example"; return p.make(t, o) }, problem.CodeWrong},
			"rp":           {func(p *phone, o string) string { p.rp.ID = "contoso.com"; return p.make(t, o) }, problem.CodeWrong},
			"not present":  {func(p *phone, o string) string { p.auth.Options.UserNotPresent = true; return p.make(t, o) }, problem.CodeWrong},
			"not verified": {func(p *phone, o string) string { p.auth.Options.UserNotVerified = true; return p.make(t, o) }, problem.CodeWrong},
			"backup state": {func(p *phone, o string) string { p.auth.Options.BackupState = true; return p.make(t, o) }, problem.CodeWrong},
			"challenge": {func(p *phone, o string) string {
				return p.make(t, strings.Replace(o, `"challenge":"`, `"challenge":"AAAA`, 1))
			}, problem.CodeWrong},
			"algorithm":       {func(p *phone, o string) string { return p.makeES384(t, o) }, problem.CodeWrong},
			"somebody else's": {func(_ *phone, o string) string { return taken.make(t, o) }, problem.MethodDuplicate},
		} {
			m := w.waiting(w.account)
			c, options := w.options(w.start(m, challenge.Register, "session of "+name))
			if r := w.answer(db, c, m, wrong.make(newPhone(virtualwebauthn.KeyTypeEC2), options)); r.Outcome != challenge.OutcomeWrong || r.Code != wrong.code {
				t.Errorf("%s: %+v", name, r)
			}
			if record, err := w.get(m).Credential(); err != nil || len(record.ID) != 0 {
				t.Errorf("%s was kept: %+v %v", name, record, err)
			}
		}
	})
}

// The answer for one account's registration does not enrol for another.
func TestAPasskeyIsMadeForOneSession(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		p := newPhone(virtualwebauthn.KeyTypeEC2)
		m := w.waiting(w.account)
		_, options := w.options(w.start(m, challenge.Register, "session-1"))
		answer := p.make(t, options)
		victim := w.other()
		theirs := w.waiting(victim)
		c, _ := w.options(w.startAs(victim, theirs, challenge.Register, "session-2"))
		if r := w.answer(db, c, theirs, answer); r.Outcome != challenge.OutcomeWrong {
			t.Errorf("%+v", r)
		}
	})
}
