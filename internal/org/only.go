package org

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

// moment is how long Only may give what another node has changed meanwhile. It is
// shorter than a command takes to start, and spares a busy node the question.
const moment = 50 * time.Millisecond

// only is what Only found, as of so many changes of this node.
type only struct {
	org     *Organization
	changes int64
	until   time.Time
}

// Only gives the organization of an installation that has just one, nil where there
// are none or several: pages show its name before anybody is known. What this node
// changed counts at once, what another did after a moment; nothing is decided by it.
func (s *Service) Only(ctx context.Context, db *store.DB) (*Organization, error) {
	changes := s.changes.Load()
	if kept := s.only.Load(); kept != nil && kept.changes == changes && time.Now().Before(kept.until) {
		return kept.org, nil
	}
	var all []*Organization
	err := db.Read(ctx, func(tx *store.Tx) (err error) { all, err = s.List(ctx, tx); return err })
	if err != nil {
		return nil, err
	}
	found := &only{changes: changes, until: time.Now().Add(moment)}
	if len(all) == 1 {
		found.org = all[0]
	}
	s.only.Store(found)
	return found.org, nil
}
