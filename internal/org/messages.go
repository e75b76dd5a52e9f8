package org

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/wording"
)

// TextOf is the organization's own text of a message in a language, and whether
// there is one.
func (o *Organization) TextOf(message, lang string) (wording.Text, bool) {
	i := place(o.Messages, message, lang)
	if i < 0 {
		return wording.Text{}, false
	}
	return o.Messages[i], true
}

func place(texts []wording.Text, message, lang string) int {
	return slices.IndexFunc(texts, func(t wording.Text) bool { return t.Message == message && t.Language == lang })
}

func (d *Document) checkMessages(c *checker) {
	for i, t := range d.Messages {
		key := fmt.Sprintf("messages[%d]", i)
		for _, f := range t.Check() {
			c.problems = append(c.problems, Problem{Key: key + "." + f.Key, Text: f.Text, code: f.Code, args: f.Args})
		}
		for name, value := range map[string]string{wording.SupportEmail: d.Support.Email, wording.SupportPhone: d.Support.Phone} {
			if value == "" && t.Names(name) {
				c.say(key+".text", "message_support", "name", "{{"+name+"}}")
			}
		}
		if place(d.Messages, t.Message, t.Language) < i {
			c.say(key, "message_stands_twice")
		}
	}
}

// SetMessage puts the organization's own text in the place of the one that a
// message has, while the organization is at the expected version. Problems:
// config.Faults (by the keys of wording.Text), Conflict, NotFound.
func (s *Service) SetMessage(ctx context.Context, tx *store.Tx, by audit.Actor, orgID string, t wording.Text, expectedVersion int64) error {
	if faults := t.Check(); len(faults) > 0 {
		return faults
	}
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		if i := place(d.Messages, t.Message, t.Language); i >= 0 {
			d.Messages[i] = t
			return nil
		}
		d.Messages = append(d.Messages, t)
		return nil
	})
}

// ResetMessage gives a message the product's own text again. Problems: Conflict, NotFound.
func (s *Service) ResetMessage(ctx context.Context, tx *store.Tx, by audit.Actor, orgID, message, lang string, expectedVersion int64) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		i := place(d.Messages, message, lang)
		if i < 0 {
			return problem.New(problem.NotFound)
		}
		d.Messages = slices.Delete(d.Messages, i, i+1)
		return nil
	})
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
	_, err = s.apply(ctx, tx, by, d, expectedVersion, nil)
	return err
}

// sortedTexts is the order in which texts are kept, so that a file that says the
// same in another order changes nothing.
func sortedTexts(texts []wording.Text) []wording.Text {
	texts = slices.Clone(texts)
	slices.SortStableFunc(texts, func(a, b wording.Text) int {
		return cmp.Or(cmp.Compare(a.Message, b.Message), cmp.Compare(a.Language, b.Language))
	})
	return texts
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
