package kuncitest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// mostStatements is what a whole reset and the sign-in after it may ask the
// database, BEGIN and COMMIT excepted. On PostgreSQL each is a round trip. Who needs
// one more looks first whether the row is read already.
const mostStatements = 160

func TestAResetAndASignInAskTheDatabaseNoMoreThanTheyMust(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			asked := &statements{}
			p := kuncitest.Start(t, kuncitest.Options{Kind: kind, Trace: asked.trace})
			b := p.Browser()
			toCode(t, b, "alain@contoso.com")
			b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
			b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword).Want(http.StatusOK, "reset-done")
			b.Post("/signin", "user_id", "alain@contoso.com")
			if page := b.Post("/signin/password", "password", newPassword); page.Path != "/security-info" {
				t.Fatalf("the sign-in ended at %s: %s", page.Path, page.Alert())
			}
			all := asked.take()
			if len(all) > mostStatements {
				slices.Sort(all)
				t.Errorf("%d statements, of %d:\n%s", len(all), mostStatements, strings.Join(all, "\n"))
			}
			if len(all) < 50 {
				t.Errorf("%d statements were seen: it shows nothing", len(all))
			}
		})
	}
}

// What a policy says is asked at every step, whatever was read before: one that was
// changed on another node counts at the next form.
func TestAPolicyChangedBetweenTwoFormsCounts(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		toCode(t, b, "alain@contoso.com")
		b.Post("/reset/verify", "code", p.Code(1), "action", "verify").Want(http.StatusOK, "reset-password")
		other, err := store.Open(t.Context(), p.App.Config.Database, store.Options{Now: p.Clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = other.Close() }()
		orgs, err := org.New(org.Deps{Audit: p.App.Audit})
		if err != nil {
			t.Fatal(err)
		}
		documents, err := org.Parse(strings.NewReader(strings.Replace(kuncitest.Contoso, "reset: {", "reset: {gates: 2, ", 1)), "")
		if err != nil {
			t.Fatal(err)
		}
		err = other.Write(t.Context(), func(tx *store.Tx) error {
			changes, err := orgs.Apply(t.Context(), tx, audit.Actor{Kind: audit.System}, documents[0])
			if len(changes) == 0 {
				t.Errorf("nothing was changed: %v", err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		page := b.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword)
		if page.Name() == "reset-done" {
			t.Error("one proof was enough where the policy had come to ask for two")
		}
		if got := password(t, p, "alain@contoso.com", kuncitest.OldPassword); got != directory.OK {
			t.Errorf("the old password: %s", got)
		}
	})
}
