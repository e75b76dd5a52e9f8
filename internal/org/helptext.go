package org

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// HelpText is the organization's own text on a page in a language, and whether
// there is one.
func (o *Organization) HelpText(page, lang string) (wording.PageText, bool) {
	i := placeOf(o.HelpTexts, page, lang)
	if i < 0 {
		return wording.PageText{}, false
	}
	return o.HelpTexts[i], true
}

func placeOf(texts []wording.PageText, page, lang string) int {
	return slices.IndexFunc(texts, func(t wording.PageText) bool { return t.Page == page && t.Language == lang })
}

func (d *Document) checkHelpTexts(c *checker) {
	for i, t := range d.HelpTexts {
		key := fmt.Sprintf("help_texts[%d]", i)
		for _, f := range t.Check() {
			c.problems = append(c.problems, Problem{Key: key + "." + f.Key, Text: f.Text, code: f.Code, args: f.Args})
		}
		for name, value := range map[string]string{wording.SupportEmail: d.Support.Email, wording.SupportPhone: d.Support.Phone, wording.SupportURL: d.Support.URL} {
			if value == "" && t.Names(name) {
				c.say(key+".text", "message_support", "name", "{{"+name+"}}")
			}
		}
		if placeOf(d.HelpTexts, t.Page, t.Language) < i {
			c.say(key, "page_stands_twice")
		}
	}
}

// SetHelpText puts the organization's own text on a page while the organization is
// at the expected version. Problems: config.Faults, Conflict, NotFound.
func (s *Service) SetHelpText(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, t wording.PageText, expectedVersion int64) error {
	if faults := t.Check(); len(faults) > 0 {
		return faults
	}
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		if i := placeOf(d.HelpTexts, t.Page, t.Language); i >= 0 {
			d.HelpTexts[i] = t
			return nil
		}
		d.HelpTexts = append(d.HelpTexts, t)
		return nil
	})
}

// ResetHelpText gives a page the product's own text again. Problems: Conflict, NotFound.
func (s *Service) ResetHelpText(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, page, lang string, expectedVersion int64) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		i := placeOf(d.HelpTexts, page, lang)
		if i < 0 {
			return problem.New(problem.NotFound)
		}
		d.HelpTexts = slices.Delete(d.HelpTexts, i, i+1)
		return nil
	})
}

func sortedPages(texts []wording.PageText) []wording.PageText {
	texts = slices.Clone(texts)
	slices.SortStableFunc(texts, func(a, b wording.PageText) int {
		return cmp.Or(cmp.Compare(a.Page, b.Page), cmp.Compare(a.Language, b.Language))
	})
	return texts
}
