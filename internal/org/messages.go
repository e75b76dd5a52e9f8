package org

import (
	"context"
	"strconv"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// TextOf is the organization's own text of a message in a language, and whether
// there is one.
func (o *Organization) TextOf(message, lang string) (wording.Text, bool) {
	return findText(o.Messages, message, lang)
}

func messages(d *Document) *[]wording.Text { return &d.Messages }

func (d *Document) checkMessages(c *checker) {
	checkTexts(c, "messages", d.Messages, map[string]string{
		wording.SupportEmail: d.Support.Email, wording.SupportPhone: d.Support.Phone,
	}, "message_stands_twice")
}

// SetMessage puts the organization's own text in the place of the one that a
// message has, while the organization is at the expected version. Problems:
// config.Faults (by the keys of wording.Text), Conflict, NotFound.
func (s *Service) SetMessage(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, t wording.Text, expectedVersion int64) error {
	return setText(ctx, s, tx, by, orgID, expectedVersion, messages, t)
}

// ResetMessage gives a message the product's own text again. Problems: Conflict, NotFound.
func (s *Service) ResetMessage(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, message, lang string, expectedVersion int64) error {
	return resetText(ctx, s, tx, by, orgID, expectedVersion, messages, message, lang)
}

// edit changes a part of an organization that is still at the expected version.
// It is the one way in for every page and operation that changes a part.
func (s *Service) edit(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, expectedVersion int64, change func(*Document) error) error {
	before, err := s.Get(ctx, tx, orgID)
	if err != nil {
		return err
	}
	if before.Version != expectedVersion {
		return problem.New(problem.Conflict)
	}
	d := before.Document()
	if err := change(&d); err != nil {
		return err
	}
	_, err = s.apply(ctx, tx, by, d, applying{expected: expectedVersion})
	return err
}

// flattenTexts gives each text a line of its own in a list of changes.
func flattenTexts(key string, texts []wording.Text, into map[string]string) {
	for _, t := range texts {
		at := key + "." + t.Message + "." + t.Language
		into[at+".text"] = strconv.Quote(t.Text)
		if t.Subject != "" {
			into[at+".subject"] = strconv.Quote(t.Subject)
		}
	}
}

// whose says of a text in an event whose it is: the words stand in the document.
func whose(text string) string {
	if text == "" {
		return "the product's"
	}
	return "the organization's"
}
