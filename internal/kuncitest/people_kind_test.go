package kuncitest_test

import (
	"net/http"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/store"
)

// Whoever has a method that few have stands on the first page of those who do, behind
// however many who have none; the other organization's are not among them.
func TestFewWithAKindOfMethodAreFoundAtOnce(t *testing.T) {
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		p.Import("fabrikam", "user_id,display_name,password\nzoe@fabrikam.com,Zoe,teapot harbour violin\n")
		p.Import("contoso", "user_id,display_name,password\nzaki@contoso.com,Zaki,teapot harbour violin\nzulfa@contoso.com,Zulfa,teapot harbour violin\n")
		blob := "x'00'"
		if p.App.DB.Kind() == store.PostgreSQL {
			blob = `'\x00'`
		}
		err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error { // more than are looked at for one page
			_, err := tx.Exec(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)
 INSERT INTO embedded_account (account_key, org_id, user_id, wrong, created_at)
 SELECT 'k' || CAST(i AS TEXT), $1, 'p' || CAST(i AS TEXT) || '@contoso.com', `+blob+`, 0 FROM n`, p.Organization().ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, userID := range []string{"zaki@contoso.com", "zulfa@contoso.com"} {
			app(t, p, userID)
		}
		desk := atDesk(t, p, "owner@contoso.com", true) // has an app, too
		kind := string(method.AuthenticatorCode)
		page := desk.Get("/console/people?kind="+kind).Want(http.StatusOK, "console-people")
		for _, want := range []string{"owner@contoso.com", "zaki@contoso.com", "zulfa@contoso.com"} {
			if !strings.Contains(page.Text(), want) {
				t.Errorf("%s is not on the first page:\n%s", want, page.Text())
			}
		}
		if strings.Contains(page.Body, `name="after"`) || strings.Contains(page.Text(), "fabrikam") {
			t.Errorf("there are more, or others:\n%s", page.Text())
		}
		page = desk.Post("/console/people", "q", "zu", "show", "", "kind", kind).Want(http.StatusOK, "console-people")
		if text := page.Text(); !strings.Contains(text, "zulfa@contoso.com") || strings.Contains(text, "zaki@contoso.com") {
			t.Errorf("by the beginning:\n%s", text)
		}
		page = desk.Post("/console/people", "q", "", "show", "", "kind", kind, "after", "zaki@contoso.com").Want(http.StatusOK, "console-people")
		if text := page.Text(); !strings.Contains(text, "zulfa@contoso.com") || strings.Contains(text, "zaki@contoso.com") {
			t.Errorf("after somebody:\n%s", text)
		}
	})
}
