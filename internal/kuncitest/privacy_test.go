package kuncitest_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// privacyLife has Alain sign in, try, write to the helpdesk, and reset the password.
func privacyLife(t *testing.T, p *kuncitest.Product) {
	t.Helper()
	b := p.Browser()
	b.Header.Set("User-Agent", "Peramban-Alain/7.1")
	toCode(t, b, "alain@contoso.com")
	b.Post("/reset/verify", "code", "00000000", "action", "verify")
	b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
	b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
	b.Get("/signin")
	b.Post("/signin", "user_id", "alain@contoso.com")
	b.Post("/signin/password", "password", newPassword)
	desk := atDesk(t, p, "authentication_admin@contoso.com", true)
	desk.Post("/console/people/"+keyOf(t, p, "alain@contoso.com"), "act", "freeze")
	b.Get("/reset")
	b.Post("/reset", "user_id", "alain@contoso.com", "reason", "forgot")
	b.Post("/reset/contact", "message", "Loket tiga, tolong Alain")
	if err := p.App.Audit.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// After a person is erased nothing in the database gives them back, the log is
// still whole, and it says that somebody was erased.
func TestAPersonIsShownAndErased(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		privacyLife(t, p)
		key := keyOf(t, p, "alain@contoso.com")
		page := "/console/people/" + key
		before := len(p.Events())
		owner := atDesk(t, p, "owner@contoso.com", true)

		// What is kept is shown whole, without secrets and without others' names.
		shown := owner.Post(page, "act", "export_person")
		var all struct {
			Account  struct{ ID string }
			Methods  []struct{ Value string }
			Requests []struct{ Message string }
			Messages []struct{ Kind string }
			Events   []audit.Record
		}
		if err := json.Unmarshal([]byte(shown.Body), &all); err != nil {
			t.Fatalf("%v: %s", err, shown.Body)
		}
		if len(all.Methods) != 1 || all.Methods[0].Value != "alain@example.net" || len(all.Requests) != 1 || all.Requests[0].Message != "Loket tiga, tolong Alain" ||
			len(all.Messages) == 0 || len(all.Events) < 5 || !strings.Contains(shown.Body, "Peramban-Alain/7.1") {
			t.Errorf("the export: %s", shown.Body)
		}
		for _, other := range []string{"authentication_admin@contoso.com", "owner@contoso.com", newPassword} {
			if strings.Contains(shown.Body, other) {
				t.Errorf("the export of Alain holds %s", other)
			}
		}

		// Who is not an owner, who is an administrator, and what is not typed again stay.
		for _, role := range []string{"policy_admin", "authentication_admin", "helpdesk", "auditor"} {
			got := atDesk(t, p, role+"@contoso.com", true).Post(page, "act", "erase_person", "confirm", "alain@contoso.com")
			if got.Status != http.StatusForbidden && got.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d", role, got.Status)
			}
		}
		owner.Post(page, "act", "erase_person", "confirm", "alain").Want(http.StatusUnprocessableEntity, "console-person")
		if got := owner.Post("/console/people/"+keyOf(t, p, "auditor@contoso.com"), "act", "erase_person", "confirm", "auditor@contoso.com"); !strings.Contains(got.Body, `data-error="forbidden"`) {
			t.Errorf("an administrator is erased: %s", got.Text())
		}
		c := newProgram(t, p, "fabrikam", org.Owner)
		if got := c.do(http.MethodPost, "/api/v1/orgs/fabrikam/people/"+key+"/erase", `{"confirm":"alain@contoso.com"}`); got.status != http.StatusNotFound {
			t.Errorf("another organization: %d", got.status)
		}
		if !p.Holds("alain@contoso.com") || !p.Holds(all.Account.ID) {
			t.Fatal("the search finds nobody who is there")
		}

		owner.Post(page, "act", "erase_person", "confirm", "Alain@Contoso.com").Want(http.StatusOK, "console-people")
		for _, trace := range []string{"alain@contoso.com", "Alain Dupont", "alain@example.net", "Peramban-Alain", "Loket tiga", key} {
			if p.Holds(trace) {
				t.Errorf("%s is still in the database", trace)
			}
		}
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		audittest.CheckLog(t, p.App.Audit)
		events, told := p.Events(), false
		for _, e := range events {
			told = told || e.Kind == audit.ExportCreated && e.Reason == "erased" && e.Target == all.Account.ID && e.Actor.UserID == "owner@contoso.com"
			if (e.Target == all.Account.ID || e.Actor.Account == all.Account.ID) && (e.TargetUserID != "" || e.Actor.Account == all.Account.ID && e.Actor.UserID != "") {
				t.Errorf("an event gives the person back: %+v", e)
			}
			if e.Actor.UserAgent == "Peramban-Alain/7.1" {
				t.Errorf("an event gives the browser back: %+v", e)
			}
		}
		if !told || len(events) <= before {
			t.Errorf("%d events before, %d after; it is told: %v", before, len(events), told)
		}
		for _, path := range []string{page, "/console/people"} {
			if got := owner.Get(path); strings.Contains(got.Body, "alain") {
				t.Errorf("%s still shows them", path)
			}
		}
		// Whoever is called so later is somebody else.
		if got := owner.Post(page, "act", "erase_person", "confirm", "alain@contoso.com"); got.Status != http.StatusNotFound {
			t.Errorf("twice: %d", got.Status)
		}
	})
}

// What is older than it is kept goes by itself.
func TestOldPeopleAreForgotten(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		privacyLife(t, p)
		owner := atDesk(t, p, "owner@contoso.com", true)
		requests := owner.Get("/console/requests")
		owner.Post("/console/requests/"+between(requests.Body, `/console/requests/`, `"`), "act", "resolve", "note", "Selesai")
		forget := func() {
			t.Helper()
			if err := p.App.Privacy.Run(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		seen := func() (named, requests int) {
			for _, e := range p.Events() {
				if e.TargetUserID == "alain@contoso.com" {
					named++
				}
			}
			err := p.App.DB.Read(t.Context(), func(tx *store.Tx) error {
				return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM helpdesk_request`).Scan(&requests)
			})
			if err != nil {
				t.Fatal(err)
			}
			return named, requests
		}
		p.Clock.Advance(300 * 24 * time.Hour)
		forget()
		if named, requests := seen(); named == 0 || requests != 1 {
			t.Fatalf("too early: %d events, %d requests", named, requests)
		}
		p.Clock.Advance(70 * 24 * time.Hour)
		forget()
		if named, requests := seen(); named == 0 || requests != 0 {
			t.Fatalf("after a year: %d events, %d requests", named, requests)
		}
		p.Clock.Advance(400 * 24 * time.Hour)
		forget()
		if named, _ := seen(); named != 0 {
			t.Errorf("after two years %d events name Alain", named)
		}
		if err := p.App.Audit.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		audittest.CheckLog(t, p.App.Audit)
	})
}

// between gives what stands between two texts.
func between(s, first, last string) string {
	_, s, _ = strings.Cut(s, first)
	s, _, _ = strings.Cut(s, last)
	return s
}

// Somebody whom the directory has no more is erased by the account's identifier.
func TestSomebodyWhoLeftIsErased(t *testing.T) {
	t.Parallel()
	p := startConsole(t, store.SQLite)
	privacyLife(t, p)
	ctx, o := t.Context(), p.Organization()
	a, err := p.App.Accounts.Find(ctx, o, "alain@contoso.com")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.App.EraseLeft(ctx, "contoso", a.ID, a.ID); err == nil || !strings.Contains(err.Error(), "still has this person") {
		t.Errorf("somebody who is there: %v", err)
	}
	d, err := p.App.Accounts.Directory(o)
	if err != nil {
		t.Fatal(err)
	}
	err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
		return d.(interface {
			Remove(ctx context.Context, tx *store.Tx, key string) error
		}).Remove(ctx, tx, a.Entry.Key)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.App.EraseLeft(ctx, "fabrikam", a.ID, a.ID); err == nil {
		t.Error("another organization's account was erased")
	}
	if err := p.App.EraseLeft(ctx, "contoso", a.ID, ""); err == nil || !strings.Contains(err.Error(), "repeat the identifier") {
		t.Errorf("nothing typed again: %v", err)
	}
	if err := p.App.EraseLeft(ctx, "contoso", a.ID, a.ID); err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Events() {
		if e.TargetUserID == "alain@contoso.com" || e.Actor.UserID == "alain@contoso.com" {
			t.Errorf("%+v", e)
		}
	}
	if err := p.App.Audit.Run(ctx); err != nil {
		t.Fatal(err)
	}
	audittest.CheckLog(t, p.App.Audit)
}
