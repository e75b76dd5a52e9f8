package report_test

import (
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/report"
	"kunci.dev/kunci/internal/store"
)

// What becomes of methods is counted by kind, once each: an entered one that its
// person confirms is no second one, and what was undone is not added.
func TestWhatBecomesOfMethods(t *testing.T) {
	each(t, same, func(h *house) {
		id := h.org.ID
		on := func(kind audit.Kind, reason string, k method.Kind) audit.Event {
			return audit.Event{Kind: kind, Org: id, Reason: reason, MethodKind: string(k)}
		}
		refused := on(audit.MethodAdded, "send-limit", method.Email)
		refused.Outcome = audit.Denied
		h.record(
			on(audit.MethodAdded, "", method.Email), on(audit.MethodAdded, "", method.Passkey), refused,
			on(audit.MethodAdded, "import", method.Email), on(audit.MethodAdded, "administrator", method.Email), on(audit.MethodAdded, "directory", method.MobilePhone),
			on(audit.MethodAdded, "token_activated", method.HardwareToken), on(audit.MethodAdded, "undone", method.Email),
			on(audit.MethodChanged, "confirmed", method.Email), on(audit.MethodChanged, "", method.Email),
			on(audit.MethodChanged, "renamed", method.Email), on(audit.MethodChanged, "token_assigned", method.HardwareToken),
			on(audit.MethodDeleted, "", method.Email), on(audit.MethodDeleted, "made-final", method.Email),
			audit.Event{Kind: audit.MethodAdded, Org: id, Reason: "identity-bound", MethodKind: "identity_provider"},
			audit.Event{Kind: audit.MethodAdded, Org: "another", MethodKind: "email"},
			audit.Event{Kind: audit.RegistrationCompleted, Org: id}, audit.Event{Kind: audit.RegistrationSkipped, Org: id},
			audit.Event{Kind: audit.RegistrationReconfirmed, Org: id},
			audit.Event{Kind: audit.SignInSucceeded, Org: id}, audit.Event{Kind: audit.SignInLocked, Org: id, Outcome: audit.Denied, Reason: "password"},
		)
		h.count()
		h.clock.Advance(24 * time.Hour)
		h.record(on(audit.MethodDeleted, "early", method.RecoveryCode), audit.Event{Kind: audit.RegistrationSkipped, Org: id})
		h.count()

		p := h.activity(2)
		for _, r := range p.Registering {
			want := map[method.Kind]report.Registering{
				method.Email:         {Kind: method.Email, Added: 1, Entered: 2, Confirmed: 1, Replaced: 1, Deleted: 1, Restored: 1},
				method.MobilePhone:   {Kind: method.MobilePhone, Entered: 1},
				method.Passkey:       {Kind: method.Passkey, Added: 1},
				method.HardwareToken: {Kind: method.HardwareToken, Added: 1},
				method.RecoveryCode:  {Kind: method.RecoveryCode, Deleted: 1},
			}[r.Kind]
			want.Kind = r.Kind
			if r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
		}
		if len(p.Registering) != len(method.Kinds()) {
			t.Errorf("%d kinds", len(p.Registering))
		}
		first, second := p.Days[0], p.Days[1]
		if first.Registered != 3 || first.Deleted != 1 || first.Asked != (report.Asked{Completed: 1, Skipped: 1, Reconfirmed: 1}) || first.SignedIn != 1 || first.Locked != 1 {
			t.Errorf("the first day: %+v", first)
		}
		if second.Registered != 0 || second.Deleted != 1 || second.Asked != (report.Asked{Skipped: 1}) || second.Locked != 0 {
			t.Errorf("the second day: %+v", second)
		}
		if all := report.Group(p.Days, report.ByMonth)[0]; all.Registered != 3 || all.Deleted != 2 || all.Asked.Skipped != 2 || all.Locked != 1 {
			t.Errorf("together: %+v", all)
		}
		if p.Total.Registered != 3 || p.Total.Asked.Skipped != 2 {
			t.Errorf("in all: %+v", p.Total)
		}
	})
}

// A large organization of which nobody was counted yet says so at once, and has its
// figures when they were counted in the background.
func TestALargeOrganizationIsCountedInTheBackground(t *testing.T) {
	each(t, same, func(h *house) {
		blob := "x'00'"
		if h.db.Kind() == store.PostgreSQL {
			blob = `'\x00'`
		}
		err := h.db.Write(t.Context(), func(tx *store.Tx) error {
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5001)
 INSERT INTO embedded_account (account_key, org_id, user_id, wrong, created_at)
 SELECT 'k' || CAST(i AS TEXT), $1, 'p' || CAST(i AS TEXT) || '@contoso.com', `+blob+`, 0 FROM n`, h.org.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		first, err := h.Registration(t.Context(), h.org)
		if err != nil || !first.Counting || first.People < 5001 || first.Enabled != 0 {
			t.Errorf("before: %+v, %v", first, err)
		}
		if err := h.Snapshot(t.Context()); err != nil {
			t.Fatal(err)
		}
		then, err := h.Registration(t.Context(), h.org)
		if err != nil || then.Counting || then.People != first.People || then.Enabled < 5001 {
			t.Errorf("after: %+v, %v", then, err)
		}
	})
}
