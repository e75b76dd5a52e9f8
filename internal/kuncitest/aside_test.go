package kuncitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/webhook"
)

// setAside is a paused receiver for which so many events were set aside.
func setAside(t *testing.T, p *kuncitest.Product, n int) webhook.Hook {
	t.Helper()
	ctx, by := t.Context(), audit.Actor{Kind: audit.System}
	h, _, err := p.App.Webhooks.Add(ctx, by, p.Organization(), webhook.Order{URL: "https://siem.contoso.example/"})
	if err == nil {
		err = p.App.Webhooks.Pause(ctx, by, p.Organization(), h.ID)
	}
	if err == nil {
		err = p.App.DB.Write(ctx, func(tx *store.Tx) error {
			for i := range n {
				_, err := tx.Exec(ctx, `INSERT INTO webhook_aside (webhook_id, leaf, event_id, kind, tries, last_error, set_aside_at, tried_at, next_at)
 VALUES ($1, $2, $3, 'reset.started', 8, 'status-422', $4, $4, 0)`, h.ID, i, fmt.Sprintf("event%03d", i), store.Micros(tx.Now()))
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// asideOn are the events of a page, in order.
func asideOn(page *kuncitest.Page) (all []string) {
	for _, part := range strings.Split(page.Body, `<li data-event="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		all = append(all, id)
	}
	return all
}

func wantedAside(n int, without ...string) (all []string) {
	for i := range n {
		if id := fmt.Sprintf("event%03d", i); !slices.Contains(without, id) {
			all = append(all, id)
		}
	}
	return all
}

// A long list of what was set aside is walked page by page, and is given up event by
// event or whole.
func TestWhatAWebhookRefusedIsWalkedAndGivenUp(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		const place, many = "/console/settings/webhooks", 120
		h, other := setAside(t, p, many), setAside(t, p, 3)
		b := atDesk(t, p, "owner@contoso.com", true)
		page := b.Get(place).Want(http.StatusOK, "console-hooks")
		if got := asideOn(page); !slices.Equal(got, append(wantedAside(3), wantedAside(50)...)) { // the newest receiver first
			t.Errorf("the first page: %v", got)
		}
		more := func(page *kuncitest.Page) string {
			for _, link := range page.Links(place + "?after=") {
				if !strings.Contains(link, "lang=") { // the languages of this very page
					return link
				}
			}
			return ""
		}
		walked := wantedAside(50)
		for next := more(page); next != ""; next = more(page) {
			page = b.Get(next).Want(http.StatusOK, "console-hooks")
			walked = append(walked, asideOn(page)...)
		}
		if !slices.Equal(walked, wantedAside(many)) {
			t.Errorf("walked: %v", walked)
		}
		if page := b.Get(place + "?webhook=" + h.ID + "&after=x"); page.Status != http.StatusBadRequest {
			t.Errorf("after no place: %d", page.Status)
		}
		if page := b.Get(place + "?webhook=none&after=1"); page.Status != http.StatusNotFound {
			t.Errorf("of no receiver: %d", page.Status)
		}
		// One event, and only of the receiver that is named.
		if page := b.Post(place, "act", "discard_event", "id", h.ID, "event", "event001").Want(http.StatusOK, "console-hooks"); !strings.Contains(page.Text(), "The audit log keeps the event") ||
			!slices.Equal(asideOn(page), append(wantedAside(3), wantedAside(51, "event001")...)) {
			t.Errorf("one is given up: %v", asideOn(page))
		}
		for name, form := range map[string][]string{
			"twice":    {"act", "discard_event", "id", h.ID, "event", "event001"},
			"no event": {"act", "discard_event", "id", h.ID, "event", ""},
			"nobody's": {"act", "discard_all_events", "id", "none"},
		} {
			if page := b.Post(place, form...); page.Status < 400 {
				t.Errorf("%s: %d", name, page.Status)
			}
		}
		b.Post(place, "act", "discard_all_events", "id", other.ID).Want(http.StatusOK, "console-hooks")
		if page := b.Get(place); len(asideOn(page)) != 50 || !strings.Contains(page.Text(), strconv.Itoa(many-1)+" events are not sent") {
			t.Errorf("all of one receiver are given up: %s", page.Text())
		}
		// Whoever only reads sees them and gives up none.
		reader := atDesk(t, p, "auditor@contoso.com", true)
		if page := reader.Get(place); len(asideOn(page)) != 50 || len(page.Choices("act")) != 0 {
			t.Errorf("an auditor: %v", page.Choices("act"))
		}
		if page := reader.Post(place, "act", "discard_all_events", "id", h.ID); page.Status != http.StatusForbidden {
			t.Errorf("an auditor gives up: %d", page.Status)
		}
		// A program does the same.
		c, theirs := newProgram(t, p, "contoso", org.Owner), newProgram(t, p, "fabrikam", org.Owner)
		path := api + "/webhooks/" + h.ID + "/set-aside"
		if got := c.do(http.MethodDelete, path+"/event002", ""); got.status != http.StatusNoContent {
			t.Errorf("%d %s", got.status, got.body)
		}
		if got := c.do(http.MethodDelete, path+"/event002", ""); got.code() != string(problem.NotFound) {
			t.Errorf("twice: %d %s", got.status, got.body)
		}
		for _, at := range []string{"", "/event003"} {
			if got := theirs.do(http.MethodDelete, strings.Replace(path, "contoso", "fabrikam", 1)+at, ""); got.status != http.StatusNotFound {
				t.Errorf("another organization: %d %s", got.status, got.body)
			}
		}
		cursor, found := "", 0
		for range many {
			var list struct {
				Events []struct{ ID string }
				Next   string
			}
			if got := c.do(http.MethodGet, path+"?limit=50&cursor="+cursor, ""); json.Unmarshal([]byte(got.body), &list) != nil {
				t.Fatalf("%d %s", got.status, got.body)
			}
			found += len(list.Events)
			if cursor = list.Next; cursor == "" {
				break
			}
		}
		if found != many-2 {
			t.Errorf("a program walks %d of %d", found, many-2)
		}
		if got := c.do(http.MethodDelete, path, ""); got.status != http.StatusOK || !strings.Contains(got.body, fmt.Sprintf(`"events":%d`, many-2)) {
			t.Errorf("%d %s", got.status, got.body)
		}
		if page := b.Get("/console"); strings.Contains(page.Text(), "set aside") {
			t.Errorf("the first page still warns: %s", page.Text())
		}
		if got := strings.Count(strings.Join(reasons(p, audit.AdministratorChanged), " "), "success:webhook-discarded"); got != 4 {
			t.Errorf("%d are recorded", got)
		}
	})
}

// lostMessages are messages of an organization that were given up.
func lostMessages(t *testing.T, p *kuncitest.Product, orgID string, n int) {
	t.Helper()
	err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
		for i := range n {
			_, err := tx.Exec(t.Context(), `INSERT INTO notify_message (id, org_id, kind, message_key, state, reason, queued_at, done_at)
 VALUES ($1, $2, 'code.reset', $1, 'failed', 'the mail server refused the message for good (550)', $3, $3)`, fmt.Sprint(orgID, " lost ", i), orgID, store.Micros(tx.Now()))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// That messages did not arrive is a warning, which leads to which ones and why.
func TestMessagesThatDidNotArrive(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		b := atDesk(t, p, "auditor@contoso.com", true)
		lostMessages(t, p, "somebody else", 2)
		if page := b.Get("/console/messages").Want(http.StatusOK, "console-messages"); strings.Contains(page.Body, "data-lost") {
			t.Errorf("another organization's: %s", page.Text())
		}
		lostMessages(t, p, p.Organization().ID, 23)
		if page := b.Get("/console"); !strings.Contains(page.Text(), "23 messages could not be delivered") || !page.Has("/console/messages") {
			t.Errorf("the first page: %s", page.Text())
		}
		page := b.Get("/console/messages")
		if n := strings.Count(page.Body, "<li data-lost="); n != 20 || !strings.Contains(page.Text(), "by mail: the mail server refused the message for good (550)") {
			t.Errorf("%d are shown: %s", n, page.Text())
		}
		c := newProgram(t, p, "contoso", org.Auditor)
		if got := c.do(http.MethodGet, api+"/messages/undelivered?limit=200", ""); strings.Count(got.body, `"state":"failed"`) != 23 {
			t.Errorf("by API: %d %s", got.status, got.body)
		}
	})
}
