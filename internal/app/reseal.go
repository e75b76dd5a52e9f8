package app

import (
	"context"

	"kunci.dev/kunci/internal/store"
)

// resealBatch is how many rows one transaction looks at: short enough that
// nobody waits for it.
const resealBatch = 200

// Reseal seals what is kept for long under the newest key of the keyset: methods,
// tokens, requests, receivers of events, passwords of directories, and the keys that people's events are sealed under. It goes in short
// transactions and may be ended and begun again at any time; what is done is
// passed over. Flows, sessions and messages are left to end by themselves, within
// days. progress is told how many rows were looked at, and may be nil.
func (a *App) Reseal(ctx context.Context, progress func(rows int)) (resealed int, err error) {
	looked := 0
	for _, room := range []func(ctx context.Context, tx *store.Tx, after string, limit int) (string, int, error){
		a.Methods.Reseal, a.Methods.ResealTokens, a.Helpdesk.Reseal, a.Audit.Reseal, a.Webhooks.Reseal, a.Orgs.Reseal,
	} {
		for after, more := "", true; more; {
			var n int
			var last string
			err := a.DB.Write(ctx, func(tx *store.Tx) (err error) {
				last, n, err = room(ctx, tx, after, resealBatch)
				return err
			})
			if err != nil {
				return resealed, err
			}
			resealed, after, more = resealed+n, last, last != ""
			if looked += resealBatch; progress != nil {
				progress(looked)
			}
		}
	}
	return resealed, nil
}
