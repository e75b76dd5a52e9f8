package kuncitest_test

import (
	"net/http"
	"testing"

	"kunci.dev/kunci/internal/kuncitest"
)

// What happened last before a node stops has its place in the log.
func TestStoppingSequencesWhatHappened(t *testing.T) {
	each(t, kuncitest.Options{}, func(t *testing.T, p *kuncitest.Product) {
		b := p.Browser()
		b.Get("/reset")
		b.Post("/reset", "user_id", "citra@contoso.com", "reason", "forgot").Want(http.StatusOK, "reset-problem")
		p.Stop()
		report, err := p.App.Audit.Verify(t.Context())
		if err != nil || !report.OK() || report.Waiting != 0 || report.Records == 0 {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
