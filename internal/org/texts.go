package org

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// ownText is a text in the organization's own words. There is at most one for a
// place and a language.
type ownText interface {
	Stands() (place, language string)
	Check() config.Faults
	Names(variable string) bool
}

func textAt[T ownText](texts []T, place, lang string) int {
	return slices.IndexFunc(texts, func(t T) bool {
		p, l := t.Stands()
		return p == place && l == lang
	})
}

func findText[T ownText](texts []T, place, lang string) (found T, ok bool) {
	if i := textAt(texts, place, lang); i >= 0 {
		return texts[i], true
	}
	return found, false
}

// inOrder is the order in which texts are kept, so that a file that says the same
// in another order changes nothing.
func inOrder[T ownText](texts []T) []T {
	texts = slices.Clone(texts)
	slices.SortStableFunc(texts, func(a, b T) int {
		ap, al := a.Stands()
		bp, bl := b.Stands()
		return cmp.Or(cmp.Compare(ap, bp), cmp.Compare(al, bl))
	})
	return texts
}

// checkTexts says what is wrong in the texts of a list. ways are the variables of
// the ways to the support, which a text may name where the organization has them,
// with their values; twice is the code for a second text of one place.
func checkTexts[T ownText](c *checker, list string, texts []T, ways map[string]string, twice string) {
	for i, t := range texts {
		key := fmt.Sprintf("%s[%d]", list, i)
		for _, f := range t.Check() {
			c.problems = append(c.problems, Problem{Key: key + "." + f.Key, Text: f.Text, code: f.Code, args: f.Args})
		}
		for name, value := range ways {
			if value == "" && t.Names(name) {
				c.say(key+".text", "message_support", "name", "{{"+name+"}}")
			}
		}
		place, lang := t.Stands()
		if textAt(texts, place, lang) < i {
			c.say(key, twice)
		}
	}
}

// setText puts a text in the place of the one that stands there.
func setText[T ownText](ctx context.Context, s *Service, tx *store.Tx, by audit.Actor, orgID string, expectedVersion int64, of func(*Document) *[]T, t T) error {
	if faults := t.Check(); len(faults) > 0 {
		return faults
	}
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		texts := of(d)
		place, lang := t.Stands()
		if i := textAt(*texts, place, lang); i >= 0 {
			(*texts)[i] = t
			return nil
		}
		*texts = append(*texts, t)
		return nil
	})
}

// resetText takes the organization's own text from a place. Problem NotFound:
// none stands there.
func resetText[T ownText](ctx context.Context, s *Service, tx *store.Tx, by audit.Actor, orgID string, expectedVersion int64, of func(*Document) *[]T, place, lang string) error {
	return s.edit(ctx, tx, by, orgID, expectedVersion, func(d *Document) error {
		texts := of(d)
		i := textAt(*texts, place, lang)
		if i < 0 {
			return problem.New(problem.NotFound)
		}
		*texts = slices.Delete(*texts, i, i+1)
		return nil
	})
}
