package e2e

import (
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
	"kunci.dev/kunci/internal/store"
)

// From a dead end to its article, and what the reader says about it.
func TestHelpInChromium(t *testing.T) {
	t.Parallel()
	for _, on := range devices[1:3] {
		t.Run(on.name, func(t *testing.T) {
			p := kuncitest.Start(t, kuncitest.Options{Kind: store.SQLite, WallClock: true})
			b := openTab(t, p.URL, on)
			b.open("/reset", "reset-identify").fill("user_id", "citra@contoso.com").press().at("reset-problem")
			b.leave().click("footer a.help").at("help").shot("h1-article")
			b.click("summary").click(`[value="steps"]`).click(`[name="language_quality"][value="2"]`).fill("comment", "Tidak ada tombolnya")
			b.leave().click(`form button[type="submit"]`).at("help").shot("h2-refused")
			if got := b.attribute(`[role="alert"]`, "data-error"); got != "required" {
				t.Errorf("alert %q", got)
			}
			b.click(`[name="helpful"][value="no"]`).leave().click(`form button[type="submit"]`).at("help").shot("h3-thanks")
			said, err := p.App.ListHelpFeedback(t.Context(), 2)
			if err != nil || len(said) != 1 {
				t.Fatalf("kept %+v, %v", said, err)
			}
			if f := said[0]; f.Article != "not-verified" || f.Organization != "contoso" || f.Helpful || f.Quality != 2 || len(f.Affected) != 1 || f.Comment == "" {
				t.Errorf("kept %+v", f)
			}
			b.open("/help", "help").shot("h4-list")
		})
	}
}
