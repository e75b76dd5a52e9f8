package app

import (
	"context"
	"time"

	"kunci.dev/kunci/internal/store"
)

// serverTime is the clock of a PostgreSQL server.
func serverTime(ctx context.Context, db *store.DB) (time.Time, error) {
	var micros int64
	err := db.Read(ctx, func(tx *store.Tx) error {
		return tx.QueryRow(ctx, `SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)`).Scan(&micros)
	})
	return time.UnixMicro(micros).UTC(), err
}
