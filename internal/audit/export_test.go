package audit

import (
	"context"

	"kunci.dev/kunci/internal/store"
)

// Leaves gives the records as a sealed export holds them, whatever was done to them.
func Leaves(ctx context.Context, tx *store.Tx) (all []Leaf, err error) {
	err = eachEvent(ctx, tx, func(r row) error {
		all = append(all, Leaf{r.leaf, r.leafData()})
		return nil
	}, `WHERE leaf >= 0 ORDER BY leaf, id`)
	return all, err
}
