package app

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/roster"
	"kunci.dev/kunci/internal/store"
)

// SyncResult is what a pass over a directory has found.
type SyncResult struct {
	Entries int  `json:"entries"`
	Whole   bool `json:"whole"` // everybody was read, not only what changed
}

// Sync reads the list of an organization's directory now.
func (a *App) Sync(ctx context.Context, slug string) (SyncResult, error) {
	o, err := a.Organization(ctx, slug)
	if err != nil {
		return SyncResult{}, err
	}
	err = a.Roster.Pass(ctx, o)
	switch {
	case problem.Has(err, problem.Conflict) && o.Directory.Sync.On():
		return SyncResult{}, fmt.Errorf("the list of %s is being read already; wait for it", slug)
	case problem.Has(err, problem.Conflict):
		return SyncResult{}, fmt.Errorf("%s asks for no list: set directory.sync.every in its file, for a directory of the kind ldap", slug)
	case err != nil:
		return SyncResult{}, err
	}
	list, err := a.list(ctx, o)
	return SyncResult{list.Entries, list.Whole}, err
}

func (a *App) list(ctx context.Context, o *org.Organization) (list roster.Status, err error) {
	err = a.DB.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = a.Roster.Status(ctx, tx, o)
		return err
	})
	return list, err
}
