package kuncitest_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// What the documents say to run after a backup was restored ends what it brought back,
// and leaves everything else as it was.
func TestWhatIsDoneAfterRestoringABackup(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "operators.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "## After restoring a backup")
	_, after, _ = strings.Cut(after, "```sql\n")
	statements, _, ok := strings.Cut(after, "```")
	if !ok {
		t.Fatal("the documents hold no statements")
	}
	eachConsole(t, func(t *testing.T, p *kuncitest.Product) {
		in := p.Browser()
		signIn(t, in, "citra@contoso.com", kuncitest.OldPassword)
		if !isIn(in) {
			t.Fatal("not signed in")
		}
		reset := p.Browser()
		toCode(t, reset, "alain@contoso.com")
		code := p.Code(1)
		reset.Post("/reset/verify", "code", code, "action", "verify").Want(http.StatusOK, "reset-password")
		issue(t, p, "citra@contoso.com", time.Time{})
		err := p.App.DB.Write(t.Context(), func(tx *store.Tx) error {
			for statement := range strings.SplitSeq(strings.TrimSpace(statements), ";\n") {
				if _, err := tx.Exec(t.Context(), strings.TrimSuffix(statement, ";")); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if isIn(in) {
			t.Error("a session lives on")
		}
		if page := reset.Post("/reset/password", "new_password", newPassword, "confirm_password", newPassword); page.Name() == "reset-done" {
			t.Error("a reset goes on")
		}
		if signIn(t, in, "citra@contoso.com", kuncitest.OldPassword); !isIn(in) {
			t.Error("nobody signs in any more")
		}
		passed := p.Browser()
		passed.Get("/reset")
		if page := passed.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot"); page.Problem() != "not-verified" {
			t.Errorf("a pass is asked for: %s %q", page.Name(), page.Problem())
		}
		again := p.Browser()
		toCode(t, again, "alain@contoso.com")
		faults(t, p)
	})
}
