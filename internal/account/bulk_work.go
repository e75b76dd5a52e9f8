package account

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
)

// slice is how long one run of the job works before it hands on to the next.
const slice = 6 * time.Second

// errOvertaken: somebody else did the batch, or the import was ended.
var errOvertaken = errors.New("account: the import went on without this run")

// Work goes on with an import for some seconds: it compares or applies batch
// after batch, each in a transaction that also notes how far it is, so that a
// batch counts once however often a run is begun again. again is called in the
// transaction that leaves work for another run.
func (s *Service) Work(ctx context.Context, o *org.Organization, by audit.Actor, id string, guard Guard, again func(tx *store.Tx) error) error {
	b, err := s.Bulk(ctx, o.ID, id)
	if err != nil {
		return err
	}
	if b.State != BulkComparing && b.State != BulkApplying {
		return nil
	}
	im, err := s.importer(o, by, ImportOptions{Guard: guard})
	if err != nil {
		return err
	}
	w := &bulkWork{importer: im, b: b, until: s.wall().Add(slice), again: again}
	if err := w.run(ctx); !errors.Is(err, errOvertaken) {
		return err
	}
	return nil
}

// bulkWork is one run.
type bulkWork struct {
	*importer
	b     Bulk
	bad   map[int]bool // lines that the check refused
	until time.Time
	over  bool // the batch that was committed last left the rest to another run
	again func(tx *store.Tx) error
}

func (w *bulkWork) run(ctx context.Context) error {
	bad, err := w.BadRows(ctx, w.org.ID, w.b.ID, maxBulkBad)
	if err != nil {
		return err
	}
	w.bad = make(map[int]bool, len(bad))
	for _, r := range bad {
		w.bad[r.Line] = true
	}
	in, shift, err := w.open(ctx)
	if err != nil {
		return err
	}
	rows, cost, read := make([]row, 0, batch), 0, 0
	for {
		at := in.offset() + shift
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return w.commit(ctx, rows, w.b.Bytes, 0, read, true)
		}
		if err != nil {
			return err
		}
		if w.b.line > 0 { // the first one after going on tells how its lines are counted
			in.renumber(w.b.line - rec.line)
			rec.line, w.b.line = w.b.line, 0
		}
		if cost >= batch {
			if err := w.commit(ctx, rows, at, rec.line, read, false); err != nil {
				return err
			}
			rows, cost, read = rows[:0], 0, 0
			if w.over {
				return nil
			}
		}
		read++
		if w.bad[rec.line] {
			cost++
			continue
		}
		good, fault := check(rec, w.org)
		if fault != nil {
			cost++
			continue // the check kept it, or counted it beyond what it keeps
		}
		cost += good.cost()
		rows = append(rows, good)
	}
}

// open reads the header, then goes on where the last batch ended.
func (w *bulkWork) open(ctx context.Context) (in records, shift int64, err error) {
	start := w.partsFrom(ctx, w.b.ID, 0)
	if w.b.offset == 0 {
		in, err = open(start, w.b.Format, w.allowed)
		return in, 0, err
	}
	head, err := open(start, w.b.Format, w.allowed)
	if err != nil {
		return nil, 0, err
	}
	return head.from(w.partsFrom(ctx, w.b.ID, w.b.offset)), w.b.offset, nil
}

// commit does one batch. The last one ends the step.
func (w *bulkWork) commit(ctx context.Context, rows []row, offset int64, line, read int, last bool) error {
	for try := 1; ; try++ {
		err := w.batch(ctx, rows, offset, line, read, last)
		if !errors.Is(err, embedded.ErrMoved) || try == batchTries {
			return err
		}
	}
}

func (w *bulkWork) batch(ctx context.Context, rows []row, offset int64, line, read int, last bool) error {
	var targets []target
	var compared ImportReport
	var err error
	if w.b.State == BulkComparing {
		compared, err = w.compare(ctx, rows)
	} else {
		targets, err = w.prepare(ctx, rows)
	}
	if err != nil {
		return err
	}
	err = w.db.Write(ctx, func(tx *store.Tx) error {
		if err := tx.Lock(ctx, "bulk import "+w.b.ID); err != nil {
			return err
		}
		did := compared
		for i := range targets {
			if err := w.applyRow(ctx, tx, &targets[i], &did); err != nil {
				return fmt.Errorf("line %d: %w", targets[i].line, err)
			}
		}
		if err := insertBad(ctx, tx, w.b.ID, did.Bad); err != nil {
			return err
		}
		n, err := updateAdvanced(ctx, tx, w.b, offset, line, read, did)
		if err != nil {
			return err
		}
		if n == 0 {
			return errOvertaken
		}
		if !last {
			// Asked once: what another answer after the commit would be decides nothing.
			if w.over = w.wall().After(w.until); w.over {
				return w.again(tx)
			}
			return nil
		}
		return w.finishStep(ctx, tx)
	})
	if err == nil {
		w.b.offset = offset
	}
	return err
}

func (w *bulkWork) finishStep(ctx context.Context, tx *store.Tx) error {
	if w.b.State == BulkComparing {
		_, err := updateCompared(ctx, tx, w.org.ID, w.b.ID)
		return err
	}
	b, err := selectBulk(ctx, tx, w.org.ID, w.b.ID)
	if err != nil {
		return err
	}
	if err := w.end(ctx, tx, w.org.ID, w.b.ID, BulkDone); err != nil {
		return err
	}
	return w.audit.Record(ctx, tx, w.by, audit.Event{
		Kind: audit.DirectoryChanged, Org: w.org.ID, Outcome: audit.Success, Reason: "import",
		Detail: map[string]string{
			"created": strconv.Itoa(b.Created), "updated": strconv.Itoa(b.Updated), "methods_added": strconv.Itoa(b.Methods),
		},
	})
}

// compare counts what applying would do, without the hashing that a password
// needs: an account with one in the file may turn out to be unchanged.
func (w *bulkWork) compare(ctx context.Context, rows []row) (did ImportReport, err error) {
	keys := make([]string, len(rows))
	if w.accounts == nil {
		targets, err := w.prepare(ctx, rows)
		if err != nil {
			return did, err
		}
		for i, t := range targets {
			keys[i] = t.key
		}
	}
	err = w.db.Read(ctx, func(tx *store.Tx) error {
		did = ImportReport{}
		for i, r := range rows {
			put := embedded.Put{Key: keys[i]}
			if w.accounts != nil {
				var err error
				if put, err = w.accounts.Compare(ctx, tx, r.account); err != nil {
					return err
				}
				put.Changed = put.Changed || r.password != ""
			}
			n, err := w.newMethods(ctx, tx, put.Key, r)
			if err != nil {
				return err
			}
			did.MethodsAdded += n
			switch {
			case put.Created:
				did.Created++
			case put.Changed || n > 0:
				did.Updated++
			default:
				did.Unchanged++
			}
		}
		return nil
	})
	return did, err
}
