package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// BulkState is how far an import through the console or the API is.
type BulkState string

// The states, in order; the last four are ends, and the file is erased there.
const (
	BulkReceiving  BulkState = "receiving" // the file is coming in and every row is checked
	BulkComparing  BulkState = "comparing" // a job counts what would change
	BulkChecked    BulkState = "checked"   // somebody has to say yes
	BulkApplying   BulkState = "applying"  // a job stores batch after batch
	BulkDone       BulkState = "done"
	BulkFailed     BulkState = "failed"
	BulkCancelled  BulkState = "cancelled"
	BulkUnreadable BulkState = "unreadable" // the header, or the file as a whole
)

// BulkStates lists every state.
var BulkStates = []BulkState{BulkReceiving, BulkComparing, BulkChecked, BulkApplying, BulkDone, BulkFailed, BulkCancelled, BulkUnreadable}

// Live tells whether the import is not at an end.
func (s BulkState) Live() bool {
	return s == BulkReceiving || s == BulkComparing || s == BulkChecked || s == BulkApplying
}

// Working tells whether it goes on by itself.
func (s BulkState) Working() bool {
	return s == BulkReceiving || s == BulkComparing || s == BulkApplying
}

// Bulk is an import through the console or the API.
type Bulk struct {
	ID        string
	OrgID     string
	By        string // the account, or the API key, that began it
	Format    Format
	State     BulkState
	SkipBad   bool
	Bytes     int64
	Rows      int
	DoneRows  int // of the step that runs now
	Created   int // what would be done while comparing and after it, what was done afterwards
	Updated   int
	Unchanged int
	Methods   int
	Bad       int
	CreatedAt time.Time
	ChangedAt time.Time

	offset int64 // how much of the file the step that runs has committed
	line   int   // of the record that starts there
}

// Percent is how far the step that runs is.
func (b Bulk) Percent() int {
	if b.Bytes == 0 {
		return 0
	}
	return int(b.offset * 100 / b.Bytes)
}

// Applicable tells whether it waits for a yes, and has all that is needed for one.
func (b Bulk) Applicable() bool {
	return b.State == BulkChecked && b.Bad <= maxBulkBad && b.Rows > b.Bad
}

const (
	// MaxBulk bounds an uploaded file: a million rows have less.
	MaxBulk = 256 << 20
	// maxBulkBad is how many bad rows are kept; a file with more is mended, not skipped.
	maxBulkBad = 10_000
	bulkPart   = 256 << 10
	// staleUpload frees the organization of an upload whose node died.
	staleUpload = 15 * time.Minute
	// standsStill is how long an import that works by itself changes nothing before it is
	// taken for one that nobody works on: the queue gives a job up sooner, and says so.
	standsStill = 2 * time.Hour
	// undecided is how long a checked file waits for its yes.
	undecided = 24 * time.Hour
)

// Sealer closes what is kept of a file until it is applied.
type Sealer interface {
	Seal(plain []byte, ad string) ([]byte, error)
	Open(sealed []byte, ad string) ([]byte, error)
}

// Guard tells whether a row may be applied to somebody of these groups.
type Guard func(userID string, groups []string) bool

// Receive stores an account file and checks it while it comes in; next tells
// what follows in the transaction that ends it. Bad rows are counted and kept;
// nothing is applied. Problems: ImportLive (one at a time), TooLong, NotFound.
func (s *Service) Receive(ctx context.Context, o *org.Organization, by audit.Actor, r io.Reader, format Format, guard Guard, next func(tx *store.Tx, id string) error) (Bulk, error) {
	if s.keys == nil {
		return Bulk{}, errors.New("account: no keys to keep a file under")
	}
	if format != CSV && format != NDJSON {
		return Bulk{}, problem.New(problem.BadInput).On("file")
	}
	im, err := s.importer(o, by, ImportOptions{Guard: guard})
	if err != nil {
		return Bulk{}, err
	}
	b := Bulk{ID: store.NewID(), OrgID: o.ID, By: by.Account, Format: format, State: BulkReceiving}
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.dropStale(ctx, tx, o.ID); err != nil {
			return err
		}
		n, err := insertBulk(ctx, tx, b)
		if err == nil && n == 0 {
			return problem.New(problem.ImportLive)
		}
		return err
	})
	if err != nil {
		return Bulk{}, err
	}
	return b, s.receive(ctx, im, &b, r, next)
}

func (s *Service) receive(ctx context.Context, im *importer, b *Bulk, r io.Reader, next func(tx *store.Tx, id string) error) error {
	stage := &staging{ctx: ctx, s: s, b: b}
	checked := &badKeeper{ctx: ctx, s: s, id: b.ID}
	rows, err := im.each(ctx, io.TeeReader(io.LimitReader(r, MaxBulk+1), stage), b.Format, func(row) error { return nil }, checked.keep)
	err = errors.Join(err, checked.err)
	if err == nil && stage.size > MaxBulk {
		err = problem.New(problem.TooLong).On("file")
	}
	if err == nil {
		err = errors.Join(stage.flush(), checked.flush())
	}
	var whole *FileError
	if errors.As(err, &whole) { // the header: nothing of the file can be read
		b.State, b.Bad = BulkUnreadable, whole.Total
		for _, bad := range whole.Rows {
			checked.keep(bad)
		}
		err = errors.Join(checked.err, checked.flush())
	}
	// The end is noted also when whoever sent the file has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), staleUpload)
	defer cancel()
	if err != nil {
		return errors.Join(err, s.db.Write(ctx, func(tx *store.Tx) error { return s.end(ctx, tx, b.OrgID, b.ID, BulkFailed) }))
	}
	b.Bytes, b.Rows = stage.size, rows
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if b.State == BulkUnreadable {
			return s.end(ctx, tx, b.OrgID, b.ID, BulkUnreadable)
		}
		b.Bad, b.State = checked.total, BulkComparing
		n, err := updateReceived(ctx, tx, *b)
		if err == nil && n == 0 {
			return problem.New(problem.NotFound) // it was cancelled meanwhile
		}
		if err != nil {
			return err
		}
		return next(tx, b.ID)
	})
}

// staging seals a file piece by piece.
type staging struct {
	ctx  context.Context
	s    *Service
	b    *Bulk
	held []byte
	n    int
	size int64
}

// Write implements io.Writer.
func (st *staging) Write(data []byte) (int, error) {
	st.held = append(st.held, data...)
	st.size += int64(len(data))
	for len(st.held) >= bulkPart {
		if err := st.put(st.held[:bulkPart]); err != nil {
			return 0, err
		}
		st.held = append(st.held[:0], st.held[bulkPart:]...)
	}
	return len(data), nil
}

func (st *staging) flush() error {
	if len(st.held) == 0 {
		return nil
	}
	return st.put(st.held)
}

func (st *staging) put(data []byte) error {
	sealed, err := st.s.keys.Seal(data, partName(st.b.ID, st.n))
	if err != nil {
		return fmt.Errorf("seal account file: %w", err)
	}
	err = st.s.db.Write(st.ctx, func(tx *store.Tx) error {
		n, err := updateBulkTouched(st.ctx, tx, st.b.OrgID, st.b.ID)
		if err == nil && n == 0 {
			return problem.New(problem.NotFound) // cancelled
		}
		if err != nil {
			return err
		}
		return insertPart(st.ctx, tx, st.b.ID, st.n, sealed)
	})
	st.n++
	return err
}

func partName(id string, n int) string { return fmt.Sprintf("bulk import %s part %d", id, n) }

// parts reads the stored file from an offset on.
type parts struct {
	ctx  context.Context
	s    *Service
	id   string
	n    int
	skip int
	held []byte
}

func (s *Service) partsFrom(ctx context.Context, id string, offset int64) *parts {
	return &parts{ctx: ctx, s: s, id: id, n: int(offset / bulkPart), skip: int(offset % bulkPart)}
}

// Read implements io.Reader.
func (p *parts) Read(into []byte) (int, error) {
	for len(p.held) == 0 {
		var sealed []byte
		err := p.s.db.Read(p.ctx, func(tx *store.Tx) (err error) {
			sealed, err = selectPart(p.ctx, tx, p.id, p.n)
			return err
		})
		if errors.Is(err, store.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, err
		}
		plain, err := p.s.keys.Open(sealed, partName(p.id, p.n))
		if err != nil {
			return 0, fmt.Errorf("open account file: %w", err)
		}
		p.n++
		p.held, p.skip = plain[min(p.skip, len(plain)):], 0
	}
	n := copy(into, p.held)
	p.held = p.held[n:]
	return n, nil
}

// badKeeper stores bad rows some at a time.
type badKeeper struct {
	ctx   context.Context
	s     *Service
	id    string
	held  []BadRow
	total int
	err   error
}

func (k *badKeeper) keep(b BadRow) {
	k.total++
	if k.total > maxBulkBad || k.err != nil {
		return
	}
	if k.held = append(k.held, b); len(k.held) == batch {
		k.err = k.flush()
	}
}

func (k *badKeeper) flush() error {
	rows := k.held
	k.held = nil
	if len(rows) == 0 {
		return nil
	}
	return k.s.db.Write(k.ctx, func(tx *store.Tx) error { return insertBad(k.ctx, tx, k.id, rows) })
}

// Bulk gives one import of an organization. Problem NotFound.
func (s *Service) Bulk(ctx context.Context, orgID, id string) (b Bulk, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		b, err = selectBulk(ctx, tx, orgID, id)
		return err
	})
	return b, found(err, "find import")
}

// Bulks lists the newest imports of an organization.
func (s *Service) Bulks(ctx context.Context, orgID string, limit int) (all []Bulk, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		all, err = selectBulks(ctx, tx, orgID, limit)
		return err
	})
	return all, err
}

// BadRows gives the first bad rows that were kept, by line.
func (s *Service) BadRows(ctx context.Context, orgID, id string, limit int) (all []BadRow, err error) {
	return s.BadRowsAfter(ctx, orgID, id, BadRow{}, limit)
}

// BadRowsAfter gives those that follow one.
func (s *Service) BadRowsAfter(ctx context.Context, orgID, id string, after BadRow, limit int) (all []BadRow, err error) {
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = selectBulk(ctx, tx, orgID, id); err != nil {
			return err
		}
		all, err = selectBad(ctx, tx, id, after, limit)
		return err
	})
	return all, found(err, "bad rows of an import")
}

// Decide says yes to a checked import. Problems: NotFound, Conflict (it is not
// waiting for that), BadRows (and skipBad was not said).
func (s *Service) Decide(ctx context.Context, tx *store.Tx, orgID, id string, skipBad bool) error {
	b, err := selectBulk(ctx, tx, orgID, id)
	switch {
	case err != nil:
		return found(err, "decide on import")
	case !b.Applicable():
		return problem.New(problem.Conflict)
	case b.Bad > 0 && !skipBad:
		return problem.New(problem.BadRows).On("skip_bad")
	}
	n, err := updateDecided(ctx, tx, orgID, id, skipBad)
	if err == nil && n == 0 {
		return problem.New(problem.Conflict)
	}
	return err
}

// Cancel ends a live import; what was applied stays. Problems: NotFound, Conflict.
func (s *Service) Cancel(ctx context.Context, tx *store.Tx, orgID, id string) error {
	b, err := selectBulk(ctx, tx, orgID, id)
	if err != nil {
		return found(err, "cancel import")
	}
	if !b.State.Live() {
		return problem.New(problem.Conflict)
	}
	return s.end(ctx, tx, orgID, id, BulkCancelled)
}

// end closes an import and erases its file.
func (s *Service) end(ctx context.Context, tx *store.Tx, orgID, id string, state BulkState) error {
	n, err := updateEnded(ctx, tx, orgID, id, state)
	if err != nil || n == 0 {
		return err
	}
	return deleteParts(ctx, tx, id)
}

// Fail ends an import that nothing can go on with.
func (s *Service) Fail(ctx context.Context, orgID, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.end(ctx, tx, orgID, id, BulkFailed) })
}

// dropStale ends an upload that died and a file nobody decided on.
func (s *Service) dropStale(ctx context.Context, tx *store.Tx, orgID string) error {
	ids, err := selectStale(ctx, tx, orgID, tx.Now().Add(-staleUpload), tx.Now().Add(-undecided))
	if err != nil {
		return err
	}
	for org, id := range ids {
		if err := s.end(ctx, tx, org, id, BulkCancelled); err != nil {
			return err
		}
	}
	return nil
}

// ResumeBulk finds imports of every organization that should go on by themselves and
// stand still, as where a job was lost, and hands each to next, which gives it to the
// queue again. A batch that somebody does all the same is not done twice.
func (s *Service) ResumeBulk(ctx context.Context, tx *store.Tx, next func(tx *store.Tx, orgID, id string) error) error {
	before := tx.Now().Add(-standsStill)
	all, err := selectStanding(ctx, tx, before)
	if err != nil {
		return fmt.Errorf("resume imports: %w", err)
	}
	for orgID, id := range all {
		n, err := updateResumed(ctx, tx, orgID, id, before)
		if err != nil {
			return fmt.Errorf("resume imports: %w", err)
		}
		if n == 0 {
			continue
		}
		if err := next(tx, orgID, id); err != nil {
			return err
		}
	}
	return nil
}

// PurgeBulk erases files that nobody decided on, of every organization.
func (s *Service) PurgeBulk(ctx context.Context, tx *store.Tx) error {
	return s.dropStale(ctx, tx, "")
}
