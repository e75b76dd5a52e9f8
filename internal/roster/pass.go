package roster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

var (
	errHeld   = errors.New("a pass is under way")
	errLost   = errors.New("another node took the pass over")
	errNobody = errors.New("the directory was found empty; the list of before stays")
	errNoList = errors.New("this directory cannot say who is in it")
)

// pass is one pass: taken, read, ended.
func (s *Service) pass(ctx context.Context, o *org.Organization) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	holder := store.NewToken()
	var r, before row
	err := s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if before, err = selectRow(ctx, tx, o.ID); err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		taken, err := take(ctx, tx, o.ID, holder)
		if err == nil && !taken {
			err = errHeld
		}
		if err == nil {
			r, err = selectRow(ctx, tx, o.ID)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.begins(ctx, o, before)
	begun := s.d.DB.Now()
	next, whole, err := s.read(ctx, o, r, holder)
	if err == nil {
		err = s.d.DB.Write(ctx, func(tx *store.Tx) error { return s.ended(ctx, tx, o, r, holder, begun, next, whole) })
	}
	if err == nil || errors.Is(err, errLost) {
		return err
	}
	stopped := errors.Is(ctx.Err(), context.Canceled) // by whoever asked, or with the node: no fault of the directory
	ctx, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	return errors.Join(err, s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if stopped {
			return release(ctx, tx, o.ID, holder)
		}
		return failed(ctx, tx, o.ID, holder, failureOf(err), min(o.Directory.Sync.Every, again))
	}))
}

// begins says why a pass begins again that was begun before: a place in a list is
// kept by the connection it was read on, and by no server beyond it.
func (s *Service) begins(ctx context.Context, o *org.Organization, before row) {
	why := ""
	switch {
	case !before.heldUntil.IsZero():
		why = "the node that read it fell silent"
	case before.failure != "":
		why = string(before.failure)
	default:
		return
	}
	from := "everybody"
	if s.since(o, before) != "" {
		from = "what changed since the last one that ended well"
	}
	s.d.Log.InfoContext(ctx, "the pass before over a directory did not end well; this one begins again", "organization", o.Slug, "broke", why, "reads", from)
}

// since is the mark from which a pass reads; "" has it read everybody.
func (s *Service) since(o *org.Organization, r row) string {
	if r.config != fingerprint(o) || !s.d.DB.Now().Before(r.wholeAt.Add(wholeAfter)) {
		return ""
	}
	return r.mark
}

// read takes the pages of a directory into the list.
func (s *Service) read(ctx context.Context, o *org.Organization, r row, holder string) (next string, whole bool, err error) {
	d, err := s.d.Directories(o)
	if err != nil {
		return "", false, err
	}
	source, ok := d.(Source)
	if !ok {
		return "", false, fmt.Errorf("%w: %w", directory.ErrRights, errNoList)
	}
	return source.Changes(ctx, s.since(o, r), func(page []directory.Entry) error {
		return s.d.DB.Write(ctx, func(tx *store.Tx) error {
			held, err := renew(ctx, tx, o.ID, holder)
			if err == nil && !held {
				err = errLost
			}
			if err == nil {
				err = upsertEntries(ctx, tx, o, r.pass, page)
			}
			return err
		})
	})
}

// ended notes what a pass has found.
func (s *Service) ended(ctx context.Context, tx *store.Tx, o *org.Organization, r row, holder string, begun time.Time, next string, whole bool) error {
	if held, err := renew(ctx, tx, o.ID, holder); err != nil || !held {
		return errors.Join(err, errLost)
	}
	if whole {
		n, err := countEntries(ctx, tx, o.ID, r.pass)
		if err == nil && n == 0 && r.entries > 0 {
			err = errNobody
		}
		if err == nil {
			err = deleteBefore(ctx, tx, o.ID, r.pass)
		}
		if err != nil {
			return err
		}
		r.wholeAt = begun
	}
	n, err := countEntries(ctx, tx, o.ID, 0)
	if err != nil {
		return err
	}
	return updateEnded(ctx, tx, o.ID, row{
		config: fingerprint(o), mark: next, entries: n, wholeAt: r.wholeAt, beganAt: begun, endedAt: tx.Now(), wasWhole: whole,
		dueAt: begun.Add(o.Directory.Sync.Every),
	})
}

func failureOf(err error) Failure {
	switch {
	case errors.Is(err, errNobody):
		return Nobody
	case errors.Is(err, directory.ErrRights):
		return Rights
	case errors.Is(err, directory.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Unavailable
	}
	return Internal
}
