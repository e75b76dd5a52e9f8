package account

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

const (
	// batch is how much shares a transaction, counted in rows with nothing but
	// names: enough that a commit costs little, little enough that nobody waits for
	// SQLite's writer.
	batch = 500
	// What a password to hash and a method to register cost beside a plain row.
	passwordCost = 9
	methodCost   = 4
	// maxSpool bounds a file that cannot be read twice.
	maxSpool = 256 << 20
	// batchTries is how often a batch is prepared again because somebody changed
	// a password meanwhile.
	batchTries = 3
)

// cost is what a row takes of a batch, whichever way the file came.
func (r row) cost() int {
	n := 1 + methodCost*len(r.methods)
	if r.password != "" {
		n += passwordCost
	}
	return n
}

// accounts is the part of the embedded directory that takes account files.
type accounts interface {
	PreparePassword(ctx context.Context, userID, text string) (*embedded.FilePassword, error)
	Put(ctx context.Context, tx *store.Tx, c embedded.Record) (embedded.Put, error)
	Compare(ctx context.Context, tx *store.Tx, c embedded.Record) (embedded.Put, error)
}

// Import reads an account file twice: first it checks every row, then it applies
// them, batch after batch. A bad row stops it before
// anything is applied, with a *FileError that names the lines; with SkipBad the
// good rows are applied. A fault of the machine in the middle leaves whole
// batches applied; running the same file again finishes it, and running it after
// that changes nothing.
//
// A cell that is empty says nothing: what an account has, it keeps. A password
// or method that the file named before is left alone, so that a file read again
// does not undo what its person changed since.
//
// Accounts of another directory are not made: there the file pre-registers
// methods only, and the columns that the directory owns are refused by name.
//
// r is read from where it stands; a file is best, anything else is held in
// memory. Never call it with a transaction open.
func (s *Service) Import(ctx context.Context, o *org.Organization, by audit.Actor, r io.Reader, format Format, opts ImportOptions) (ImportReport, error) {
	im, err := s.importer(o, by, opts)
	if err != nil {
		return ImportReport{}, err
	}
	file, err := twice(r)
	if err != nil {
		return ImportReport{}, err
	}
	start, err := file.Seek(0, io.SeekCurrent)
	if err != nil {
		return ImportReport{}, fmt.Errorf("read account file: %w", err)
	}
	if err := im.check(ctx, file, format); err != nil {
		return ImportReport{}, err
	}
	if im.checked.BadTotal > 0 && !opts.SkipBad {
		return im.checked, &FileError{Rows: im.checked.Bad, Total: im.checked.BadTotal}
	}
	if _, err := file.Seek(start, io.SeekStart); err != nil {
		return ImportReport{}, fmt.Errorf("read account file: %w", err)
	}
	err = im.apply(ctx, file, format)
	return im.report, err
}

// importer is one import under way.
type importer struct {
	*Service
	org      *org.Organization
	by       audit.Actor
	dir      directory.Directory
	accounts accounts // nil where the directory makes its own accounts
	allowed  []string
	opts     ImportOptions
	checked  ImportReport // of the first reading
	report   ImportReport // of the second
}

func (s *Service) importer(o *org.Organization, by audit.Actor, opts ImportOptions) (*importer, error) {
	dir, err := s.Directory(o)
	if err != nil {
		return nil, err
	}
	im := &importer{Service: s, org: o, by: by, dir: dir, opts: opts, allowed: methodColumns}
	if a, ok := dir.(accounts); ok {
		im.accounts, im.allowed = a, columnNames
	}
	// What the directory itself says of its people no file says beside it.
	named := o.Directory.Attributes.Named()
	im.allowed = slices.DeleteFunc(slices.Clone(im.allowed), func(column string) bool {
		return slices.Contains(contactColumns, column) && named[column] != ""
	})
	return im, nil
}

func twice(r io.Reader) (io.ReadSeeker, error) {
	if rs, ok := r.(io.ReadSeeker); ok {
		if _, err := rs.Seek(0, io.SeekCurrent); err == nil {
			return rs, nil
		}
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSpool+1))
	if err != nil {
		return nil, fmt.Errorf("read account file: %w", err)
	}
	if len(data) > maxSpool {
		return nil, problem.New(problem.TooLong, "max", maxSpool)
	}
	return bytes.NewReader(data), nil
}

// each reads the file's rows in order and tells good from bad, the same way in
// both readings. A user ID that comes again is bad.
func (im *importer) each(ctx context.Context, r io.Reader, f Format, good func(row) error, bad func(BadRow)) (read int, err error) {
	in, err := open(r, f, im.allowed)
	if err != nil {
		return 0, err
	}
	// A hash of each user ID is enough to know it again: eight bytes a row
	// instead of the whole text. The seed keeps collisions out of anyone's reach.
	seed, seen := maphash.MakeSeed(), make(map[uint64]struct{})
	for {
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return read, nil
		}
		if err != nil {
			return read, err
		}
		if read++; read%1024 == 0 && ctx.Err() != nil {
			return read, ctx.Err()
		}
		w, fault := check(rec, im.org)
		if fault == nil {
			id := maphash.String(seed, w.account.UserID)
			if _, again := seen[id]; again {
				fault = &BadRow{Line: rec.line, Column: colUserID, Reason: ReasonUserIDTwice}
			}
			seen[id] = struct{}{}
		}
		if fault == nil && !im.opts.allows(w) {
			fault = &BadRow{Line: rec.line, Column: colUserID, Reason: ReasonRank}
		}
		if fault != nil {
			bad(*fault)
			continue
		}
		if err := good(w); err != nil {
			return read, err
		}
	}
}

// check is the first reading: nothing is written.
func (im *importer) check(ctx context.Context, r io.Reader, f Format) error {
	known := func(w row) error {
		if im.accounts != nil {
			return nil
		}
		_, err := im.dir.LookUp(ctx, w.account.UserID)
		if errors.Is(err, directory.ErrNotFound) {
			im.checked.bad(BadRow{Line: w.line, Column: colUserID, Reason: ReasonNotFound})
			return nil
		}
		if err != nil {
			return Refusal(err, "check account file")
		}
		return nil
	}
	read, err := im.each(ctx, r, f, known, im.checked.bad)
	im.checked.Rows = read
	return err
}

// apply is the second reading.
func (im *importer) apply(ctx context.Context, r io.Reader, f Format) error {
	rows := make([]row, 0, batch)
	done, cost := 0, 0
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		if err := im.applyBatch(ctx, rows); err != nil {
			return err
		}
		done += len(rows)
		rows, cost = rows[:0], 0
		if im.opts.Progress != nil {
			im.opts.Progress(done)
		}
		return nil
	}
	read, err := im.each(ctx, r, f, func(w row) error {
		rows, cost = append(rows, w), cost+w.cost()
		if cost >= batch {
			return flush()
		}
		return nil
	}, im.report.bad)
	im.report.Rows = read
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	return im.finish(ctx)
}

// finish records the import as one event, when it changed anything.
func (im *importer) finish(ctx context.Context) error {
	if im.report.Created+im.report.Updated == 0 {
		return nil
	}
	return im.db.Write(ctx, func(tx *store.Tx) error {
		return im.audit.Record(ctx, tx, im.by, audit.Event{
			Kind: audit.DirectoryChanged, Org: im.org.ID, Outcome: audit.Success, Reason: "import",
			Detail: map[string]string{
				"created": strconv.Itoa(im.report.Created), "updated": strconv.Itoa(im.report.Updated),
				"methods_added": strconv.Itoa(im.report.MethodsAdded),
			},
		})
	})
}

// applyBatch prepares outside and stores in one transaction; what it counts is
// added only when the transaction is committed.
func (im *importer) applyBatch(ctx context.Context, rows []row) error {
	for try := 1; ; try++ {
		targets, err := im.prepare(ctx, rows)
		if err != nil {
			return err
		}
		var did ImportReport
		err = im.db.Write(ctx, func(tx *store.Tx) error {
			did = ImportReport{}
			for i := range targets {
				if err := im.applyRow(ctx, tx, &targets[i], &did); err != nil {
					return fmt.Errorf("line %d: %w", targets[i].line, err)
				}
			}
			return nil
		})
		if errors.Is(err, embedded.ErrMoved) && try < batchTries {
			continue
		}
		if err != nil {
			return fmt.Errorf("apply account file: %w", err)
		}
		im.report.Created += did.Created
		im.report.Updated += did.Updated
		im.report.Unchanged += did.Unchanged
		im.report.MethodsAdded += did.MethodsAdded
		for _, b := range did.Bad {
			im.report.bad(b)
		}
		im.report.BadTotal += did.BadTotal - len(did.Bad)
		return nil
	}
}

// target is a row with all that could be made ready outside a transaction.
type target struct {
	row
	key     string // of an account in another directory
	refused string // why it may not be applied
}

// prepare hashes passwords, some at a time, and finds accounts of other
// directories.
func (im *importer) prepare(ctx context.Context, rows []row) ([]target, error) {
	targets := make([]target, len(rows))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, w := range rows {
		targets[i].row = w
		if im.accounts != nil && w.password == "" {
			continue
		}
		g.Go(func() error {
			if im.accounts != nil {
				p, err := im.accounts.PreparePassword(ctx, w.account.UserID, w.password)
				if im.opts.Guard != nil && p.Replaces() {
					targets[i].refused = ReasonPasswordKept
				}
				targets[i].account.Password = p
				return err
			}
			entry, err := im.dir.LookUp(ctx, w.account.UserID)
			if err != nil && !errors.Is(err, directory.ErrNotFound) {
				return Refusal(err, "apply account file")
			}
			if err == nil && im.opts.Guard != nil && !im.opts.Guard(entry.UserID, entry.Groups) {
				targets[i].refused = ReasonRank
				return nil
			}
			targets[i].key = entry.Key
			return nil
		})
	}
	return targets, g.Wait()
}

func (im *importer) applyRow(ctx context.Context, tx *store.Tx, w *target, did *ImportReport) error {
	var put embedded.Put
	if w.refused == "" && !im.opts.allows(w.row) {
		w.refused = ReasonRank // roles may have changed since the check
	}
	if w.refused != "" {
		column := colUserID
		if w.refused == ReasonPasswordKept {
			column = colPassword
		}
		did.bad(BadRow{Line: w.line, Column: column, Reason: w.refused})
		return nil
	}
	if im.accounts != nil {
		var err error
		if im.opts.Guard != nil {
			w.account.Allowed = func(groups []string) bool { return im.opts.Guard(w.account.UserID, groups) }
		}
		put, err = im.accounts.Put(ctx, tx, w.account)
		if errors.Is(err, embedded.ErrGuarded) {
			did.bad(BadRow{Line: w.line, Column: colUserID, Reason: ReasonRank})
			return nil
		}
		if err != nil {
			return err
		}
	} else if put.Key = w.key; put.Key == "" {
		did.bad(BadRow{Line: w.line, Column: colUserID, Reason: ReasonNotFound})
		return nil
	}
	if len(w.methods) > 0 {
		changed, err := im.applyMethods(ctx, tx, put.Key, w, did)
		if err != nil {
			return err
		}
		put.Changed = put.Changed || changed
	}
	switch {
	case put.Created:
		did.Created++
	case put.Changed:
		did.Updated++
	default:
		did.Unchanged++
	}
	return nil
}
