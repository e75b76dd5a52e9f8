package helpdesk

import (
	"context"
	"fmt"

	"kunci.dev/kunci/internal/store"
)

// Reseal seals the next requests after an identifier under the newest key. It
// gives the last row it looked at, empty at the end, and how many it sealed.
// Doing it again changes nothing.
func (s *Service) Reseal(ctx context.Context, tx *store.Tx, after string, limit int) (last string, resealed int, err error) {
	rows, err := selectAfter(ctx, tx, after, limit)
	if err != nil {
		return "", 0, fmt.Errorf("reseal requests: %w", err)
	}
	for _, r := range rows {
		last = r.ID
		said, oldSaid, err := s.keys.Reseal(r.sealed, boundTo("said", r))
		if err != nil {
			return "", 0, fmt.Errorf("reseal request %s: %w", r.ID, err)
		}
		end, oldEnd := r.resolution, false
		if len(end) > 0 {
			if end, oldEnd, err = s.keys.Reseal(end, boundTo("resolution", r)); err != nil {
				return "", 0, fmt.Errorf("reseal request %s: %w", r.ID, err)
			}
		}
		work, oldWork := r.work, false
		if len(work) > 0 {
			if work, oldWork, err = s.keys.Reseal(work, boundTo("work", r)); err != nil {
				return "", 0, fmt.Errorf("reseal request %s: %w", r.ID, err)
			}
		}
		if !oldSaid && !oldEnd && !oldWork {
			continue
		}
		n, err := updateResealed(ctx, tx, r, said, end, work)
		if err != nil {
			return "", 0, fmt.Errorf("reseal request %s: %w", r.ID, err)
		}
		resealed += int(n)
	}
	return last, resealed, nil
}
