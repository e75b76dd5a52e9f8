package kuncitest_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
)

// personNow is a person's account as it is at this moment.
func personNow(t *testing.T, p *kuncitest.Product, userID string) account.Account {
	t.Helper()
	a, err := p.App.Accounts.Find(t.Context(), p.Organization(), userID)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// onPage are the identifiers that a person's page has in its lists: "method", "deleted"
// or "session".
func onPage(page *kuncitest.Page, what string) (all []string) {
	for _, part := range strings.Split(page.Body, "<li data-"+what+`="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		all = append(all, id)
	}
	return all
}

// Each act on a person does what its button says: to this person, as their page
// shows, and as the log tells.
func TestEveryActOnAPerson(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const alain = "alain@contoso.com"
		b := atDesk(t, p, "authentication_admin@contoso.com", true)
		address := "/console/people/" + keyOf(t, p, alain)
		act := func(name string) *kuncitest.Page {
			t.Helper()
			return b.Post(address, "act", name).Want(http.StatusOK, "console-person")
		}
		// Why somebody cannot reset is said by rule, and what happened is told.
		for userID, why := range map[string]string{
			"citra@contoso.com": "✗ The account has 0 methods that count, which is not enough", "eko@contoso.com": "✗ The account is not in the groups that may reset, or is in one that may not",
		} {
			page := b.Get("/console/people/" + keyOf(t, p, userID))
			if !strings.Contains(page.Text(), "Cannot reset the password") || !strings.Contains(page.Text(), why) || strings.Count(page.Text(), "✗") != 1 {
				t.Errorf("%s, %s: %s", userID, why, page.Text())
			}
		}
		if page := b.Get(address); !strings.Contains(page.Text(), "Can reset the password") || strings.Contains(page.Text(), "✗") {
			t.Errorf("%s: %s", alain, page.Text())
		}
		// Limits.
		person := p.Browser()
		person.Header.Set("Accept-Language", "en")
		toCode(t, person, alain)
		for n := range 5 {
			page := person.Post("/reset/verify", "code", "00000000", "action", "verify").Want(http.StatusUnprocessableEntity, "reset-verify")
			words, last := i18n.For("en"), n == 4
			if strings.Contains(page.Text(), words.T("last-try.code-wrong")+" "+words.T("page.retry.hours", "count", 24)) != last || (page.Header.Get("Retry-After") != "") != last ||
				strings.Contains(page.Text(), words.T("problem.code-wrong")) == last || page.Alert() != string(problem.CodeWrong) {
				t.Errorf("wrong answer %d: %s", n+1, page.Text())
			}
		}
		blocked := func() bool {
			b := p.Browser()
			b.Get("/reset")
			return b.Post("/reset", "user_id", alain, "reason", "forgot").Name() != "reset-choose"
		}
		if !blocked() {
			t.Fatal("five wrong codes block nothing")
		}
		if page := b.Get(address); !strings.Contains(page.Text(), "Cannot reset the password") || !strings.Contains(page.Text(), "reset.gate_failed") {
			t.Errorf("after wrong codes: %s", page.Text())
		}
		act("clear_limits")
		if blocked() {
			t.Error("limits are not cleared")
		}
		// A lock after wrong passwords.
		for n := range 10 {
			password(t, p, alain, fmt.Sprint("salah ", n))
		}
		if personNow(t, p, alain).Entry.LockedUntil.IsZero() || !strings.Contains(b.Get(address).Text(), "Locked by wrong passwords until") {
			t.Fatal("ten wrong passwords lock nothing, or the page does not say so")
		}
		if page := act("unlock"); !personNow(t, p, alain).Entry.LockedUntil.IsZero() || strings.Contains(page.Text(), "Locked by wrong") {
			t.Error("it is not unlocked")
		}
		if page := act("require_registration"); !personNow(t, p, alain).MustRegister || !strings.Contains(page.Text(), "Has to register again") {
			t.Error("nobody has to register again")
		}
		if page := act("freeze"); !strings.Contains(page.Text(), "or an administrator froze them") || !personNow(t, p, alain).Frozen() || !strings.Contains(page.Text(), "Resets are frozen since") || !blocked() {
			t.Error("resets are not frozen")
		}
		if act("unfreeze"); personNow(t, p, alain).Frozen() || blocked() {
			t.Error("resets are still frozen")
		}
		if personNow(t, p, "eko@contoso.com").MustRegister || personNow(t, p, "eko@contoso.com").Frozen() {
			t.Error("somebody else was acted on")
		}
		if page := b.Post(address, "act", "promote"); page.Alert() != string(problem.Forbidden) {
			t.Errorf("an act that is none: %d %q", page.Status, page.Alert())
		}
		for kind, want := range map[audit.Kind]string{
			audit.AccountUnlocked: "success:administrator", audit.ThrottleCleared: "success:administrator success:administrator success:unfrozen",
		} {
			if got := strings.Join(reasons(p, kind), " "); got != want {
				t.Errorf("%s: %s", kind, got)
			}
		}
	})
}

// One browser is signed out and the other stays; the page lists what is left.
func TestOneSessionOfAPersonIsEnded(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		one, other := signedIn(t, p, "alain@contoso.com", ""), signedIn(t, p, "alain@contoso.com", "")
		theirs := signedIn(t, p, "eko@contoso.com", "")
		address := "/console/people/" + keyOf(t, p, "alain@contoso.com")
		b := atDesk(t, p, "helpdesk@contoso.com", true)
		inCall(t, p, b, "alain@contoso.com")
		page := b.Get(address)
		if got := onPage(page, "session"); len(got) != 2 || !slices.Contains(got, one.session.ID) || !slices.Contains(got, other.session.ID) {
			t.Fatalf("sessions on the page: %v", got)
		}
		b.Post(address, "act", "end_session", "session", theirs.session.ID)
		if page := b.Post(address, "act", "end_session", "session", one.session.ID).Want(http.StatusOK, "console-person"); !slices.Equal(onPage(page, "session"), []string{other.session.ID}) {
			t.Errorf("left: %v", onPage(page, "session"))
		}
		for name, c := range map[string]struct {
			*person
			in bool
		}{"the one that was ended": {one, false}, "the other": {other, true}, "somebody else's": {theirs, true}} {
			if page, err := c.Do(http.MethodGet, "/security-info", nil); err != nil || (page.Name() == "security-info") != c.in {
				t.Errorf("%s: %v, %s", name, err, page.Name())
			}
		}
		if page := b.Post(address, "act", "end_session", "session", one.session.ID); page.Alert() != string(problem.NotFound) {
			t.Errorf("twice: %d %q", page.Status, page.Alert())
		}
		auditor := atDesk(t, p, "auditor@contoso.com", true)
		if page := auditor.Get(address); len(onPage(page, "session")) != 0 {
			t.Error("an auditor sees sessions that they cannot end")
		}
		if page := auditor.Post(address, "act", "end_session", "session", other.session.ID); page.Status != http.StatusForbidden {
			t.Errorf("an auditor ends one: %d", page.Status)
		}
		// Nobody above.
		chief := signedIn(t, p, "owner@contoso.com", "")
		if page := b.Post("/console/people/"+keyOf(t, p, "owner@contoso.com"), "act", "end_session", "session", chief.session.ID); page.Alert() != string(problem.Forbidden) {
			t.Errorf("the helpdesk signs an owner out: %q", page.Alert())
		}
		if page := chief.Get("/security-info"); page.Name() != "security-info" {
			t.Error("the owner was signed out")
		}
	})
}

// A method is deleted and brought back at the console; what an administrator deleted,
// or made final, its person does not bring back.
func TestMethodsOfAPersonAtTheConsole(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const alain = "alain@contoso.com"
		me := signedIn(t, p, alain, "")
		id, address := mailOf(t, p, alain), "/console/people/"+keyOf(t, p, alain)
		b := atDesk(t, p, "authentication_admin@contoso.com", true)
		post := func(act, id string) *kuncitest.Page { return b.Post(address, "act", act, "method", id) }
		undo := func() *kuncitest.Page { return me.Post("/security-info/" + id + "/undo") }
		deleted := post("delete_method", id).Want(http.StatusOK, "console-person")
		if !slices.Equal(onPage(deleted, "deleted"), []string{id}) || len(onPage(deleted, "method")) != 0 || len(me.methods()) != 0 ||
			slices.Contains(deleted.Choices("act"), "bar_method") || !strings.Contains(deleted.Text(), "by an administrator") {
			t.Errorf("deleted: %s", deleted.Text())
		}
		if page := undo(); page.Status != http.StatusForbidden || page.Alert() != string(problem.UndoForbidden) {
			t.Errorf("its person brings it back: %d %q", page.Status, page.Alert())
		}
		if page := post("restore_method", id).Want(http.StatusOK, "console-person"); !slices.Equal(onPage(page, "method"), []string{id}) || len(onPage(page, "deleted")) != 0 {
			t.Errorf("brought back: %s", page.Text())
		}
		// What the person deleted they could bring back, until that is made final.
		me.Post("/security-info/"+id+"/delete").Want(http.StatusOK, "security-info")
		if page := b.Get(address); !slices.Contains(page.Choices("act"), "bar_method") || !strings.Contains(page.Text(), "The person can bring it back as well") {
			t.Errorf("deleted by the person: %s", page.Text())
		}
		if page := post("bar_method", id).Want(http.StatusOK, "console-person"); slices.Contains(page.Choices("act"), "bar_method") || !slices.Contains(page.Choices("act"), "restore_method") {
			t.Errorf("made final: %v", page.Choices("act"))
		}
		if page := undo(); page.Alert() != string(problem.UndoForbidden) || len(me.methods()) != 0 {
			t.Errorf("its person brings it back all the same: %d %q", page.Status, page.Alert())
		}
		if page := post("bar_method", id); page.Alert() != string(problem.NotFound) {
			t.Errorf("final twice: %q", page.Alert())
		}
		post("restore_method", id).Want(http.StatusOK, "console-person")
		// Nobody else's, nobody below, nobody above.
		if page := post("delete_method", mailOf(t, p, "eko@contoso.com")); page.Alert() != string(problem.NotFound) {
			t.Errorf("another person's: %q", page.Alert())
		}
		desk := atDesk(t, p, "helpdesk@contoso.com", true)
		if page := desk.Get(address); slices.Contains(page.Choices("act"), "delete_method") {
			t.Error("the helpdesk is offered to delete a method")
		}
		for _, act := range []string{"delete_method", "bar_method", "restore_method"} {
			if page := desk.Post(address, "act", act, "method", id); page.Alert() != string(problem.Forbidden) {
				t.Errorf("the helpdesk, %s: %q", act, page.Alert())
			}
			if page := b.Post("/console/people/"+keyOf(t, p, "owner@contoso.com"), "act", act, "method", mailOf(t, p, "owner@contoso.com")); page.Alert() != string(problem.Forbidden) {
				t.Errorf("upward, %s: %q", act, page.Alert())
			}
		}
		if got := me.ofKind(method.Email); got.ID != id {
			t.Errorf("left: %+v", me.methods())
		}
		if got := strings.Join(reasons(p, audit.MethodDeleted), " "); got != "success:administrator success:declined success:made-final" {
			t.Errorf("recorded: %s", got)
		}
	})
}

// A long list of people is walked page by page, each once, in the order of their user
// IDs, whoever is looked for; and no page holds more than fifty.
func TestManyPeopleAreWalked(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		file := "user_id,display_name\n"
		for i := range 120 {
			file += fmt.Sprintf("p%03d@contoso.com,Orang %d\n", i, i)
		}
		p.Import("contoso", file)
		b := atDesk(t, p, "auditor@contoso.com", true)
		for _, c := range []struct {
			q, show string
			want    int
		}{{"", "", 128}, {"p", "", 121}, {"p0", "", 100}, {"", "not-registered", 125}, {"", "capable", 2}} {
			var walked []string
			form := []string{"q", c.q, "show", c.show, "kind", ""}
			for after, more := "", true; more; form = []string{"q", c.q, "show", c.show, "kind", "", "after", after} {
				page := b.Post("/console/people", form...).Want(http.StatusOK, "console-people")
				links := page.Links("/console/people/")
				links = slices.DeleteFunc(links, func(at string) bool { return strings.HasSuffix(at, "/import") || strings.Contains(at, "lang=") })
				if len(links) > 50 {
					t.Errorf("%+v: %d on a page", c, len(links))
				}
				walked = append(walked, links...)
				after, more = page.Field("after")
			}
			once := slices.Clone(walked)
			slices.Sort(once)
			if once = slices.Compact(once); len(once) != len(walked) || len(walked) != c.want {
				t.Errorf("%+v: %d were walked, %d of them different", c, len(walked), len(once))
			}
		}
	})
}
