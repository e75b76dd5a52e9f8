package feedback

import (
	"context"
	"strings"
	"time"

	"kunci.dev/kunci/internal/store"
)

const day = 24 * time.Hour

func dayOf(t time.Time) int64 { return t.Unix() / int64(day.Seconds()) }

// insert keeps feedback under a random name: one that is made of the time would
// tell it to the millisecond.
func insert(ctx context.Context, tx *store.Tx, f Feedback) error {
	helpful := 0
	if f.Helpful {
		helpful = 1
	}
	_, err := tx.Exec(ctx, `INSERT INTO help_feedback (id, day, org_id, article, lang, helpful, quality, affected, comment)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		store.NewToken(), dayOf(f.Day), f.OrgID, f.Article, f.Lang, helpful, f.Quality, strings.Join(f.Affected, ","), f.Comment)
	return err
}

func selectNewest(ctx context.Context, tx *store.Tx, limit int) ([]Feedback, error) {
	return store.Select(ctx, tx, scan, `SELECT day, org_id, article, lang, helpful, quality, affected, comment
		FROM help_feedback ORDER BY day DESC, id LIMIT $1`, limit)
}

func scan(row store.Scanner) (Feedback, error) {
	var f Feedback
	var on int64
	var helpful int
	var affected string
	err := row.Scan(&on, &f.OrgID, &f.Article, &f.Lang, &helpful, &f.Quality, &affected, &f.Comment)
	f.Day, f.Helpful = time.Unix(on*int64(day.Seconds()), 0).UTC(), helpful == 1
	if affected != "" {
		f.Affected = strings.Split(affected, ",")
	}
	return f, err
}

func deleteBefore(ctx context.Context, tx *store.Tx, t time.Time) error {
	_, err := tx.Exec(ctx, `DELETE FROM help_feedback WHERE day < $1`, dayOf(t))
	return err
}
