package org

import (
	"context"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// HelpText is the organization's own text on a page in a language, and whether
// there is one.
func (o *Organization) HelpText(page, lang string) (wording.PageText, bool) {
	return findText(o.HelpTexts, page, lang)
}

func helpTexts(d *Document) *[]wording.PageText { return &d.HelpTexts }

func (d *Document) checkHelpTexts(c *checker) {
	checkTexts(c, "help_texts", d.HelpTexts, map[string]string{
		wording.SupportEmail: d.Support.Email, wording.SupportPhone: d.Support.Phone, wording.SupportURL: d.Support.URL,
	}, "page_stands_twice")
}

// SetHelpText puts the organization's own text on a page while the organization is
// at the expected version. Problems: config.Faults, Conflict, NotFound.
func (s *Service) SetHelpText(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, t wording.PageText, expectedVersion int64) error {
	return setText(ctx, s, tx, by, orgID, expectedVersion, helpTexts, t)
}

// ResetHelpText gives a page the product's own text again. Problems: Conflict, NotFound.
func (s *Service) ResetHelpText(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, page, lang string, expectedVersion int64) error {
	return resetText(ctx, s, tx, by, orgID, expectedVersion, helpTexts, page, lang)
}
