package token

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"kunci.dev/kunci/internal/account"
	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// batch is how many rows share a transaction.
const batch = 500

// FileError: the file has bad rows and nothing of it was applied.
type FileError struct{ Rows []BadRow }

func (e *FileError) Error() string {
	return fmt.Sprintf("token file: %d bad rows, nothing was applied", len(e.Rows))
}

// Report says what an import did.
type Report struct {
	Rows      int // read, good and bad
	Added     int // tokens new in stock
	Assigned  int // handed to somebody by the file
	Unchanged int
	Bad       []BadRow // with skipBad, by line
}

// target is a row with whom it is for.
type target struct {
	row
	account account.Account // zero: nobody
}

// Import reads a token file. It first checks every row against the directory and
// what there is, then applies them in transactions of some hundred rows. With
// bad rows it applies nothing and gives a *FileError, unless skipBad is set; a
// header that cannot be used stops it all the same. A file that was read before
// changes nothing.
func (s *Service) Import(ctx context.Context, by audit.Actor, o *org.Organization, r io.Reader, skipBad bool) (Report, error) {
	good, bad, err := read(r)
	if err != nil {
		return Report{}, err
	}
	targets, more, err := s.check(ctx, o, good)
	if err != nil {
		return Report{}, err
	}
	bad = append(bad, more...)
	slices.SortStableFunc(bad, func(a, b BadRow) int { return a.Line - b.Line })
	report := Report{Rows: len(targets) + len(bad), Bad: bad}
	if len(bad) > 0 && !skipBad {
		return report, &FileError{bad}
	}
	for part := range slices.Chunk(targets, batch) {
		if err := s.apply(ctx, by, o, part, &report); err != nil {
			return report, fmt.Errorf("apply token file: %w", err)
		}
	}
	if report.Added+report.Assigned == 0 {
		return report, nil
	}
	return report, s.d.DB.Write(ctx, func(tx *store.Tx) error {
		return s.d.Audit.Record(ctx, tx, by, audit.Event{
			Kind: audit.DirectoryChanged, Org: o.ID, Outcome: audit.Success, Reason: "token_import", MethodKind: string(method.HardwareToken),
			Detail: map[string]string{"added": strconv.Itoa(report.Added), "assigned": strconv.Itoa(report.Assigned)},
		})
	})
}

// check finds each row's account and what stands in its way. Nothing is written.
func (s *Service) check(ctx context.Context, o *org.Organization, rows []row) (good []target, bad []BadRow, err error) {
	seeds := make(map[string]bool, len(rows))
	for _, w := range rows {
		t := target{row: w}
		if seeds[string(w.token.Seed)] {
			bad = append(bad, BadRow{w.line, colSecret, ReasonTaken})
			continue
		}
		seeds[string(w.token.Seed)] = true
		if w.userID != "" {
			t.account, err = s.d.Accounts.Find(ctx, o, w.userID)
			if problem.Has(err, problem.NotFound) {
				bad = append(bad, BadRow{w.line, colUser, ReasonNotFound})
				continue
			}
			if err != nil {
				return nil, nil, err
			}
		}
		reason := ""
		err := s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
			reason, err = s.obstacle(ctx, tx, o, t)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if reason != "" {
			bad = append(bad, BadRow{w.line, colSerial, reason})
			continue
		}
		good = append(good, t)
	}
	return good, bad, nil
}

// obstacle says why a row cannot be applied, empty when it can.
func (s *Service) obstacle(ctx context.Context, tx *store.Tx, o *org.Organization, t target) (string, error) {
	have, err := s.d.Methods.TokenBySerial(ctx, tx, o.ID, t.token.Serial)
	if problem.Has(err, problem.NotFound) {
		t.token.OrgID = o.ID
		taken, err := s.d.Methods.SeedKnown(ctx, tx, t.token)
		if taken {
			return ReasonTaken, err
		}
		return "", err
	}
	switch {
	case err != nil:
		return "", err
	case !have.SameSeed(t.token.Seed) || have.OATH != t.token.OATH:
		return ReasonTaken, nil
	case t.account.ID != "" && have.AccountID != "" && have.AccountID != t.account.ID:
		return ReasonHeld, nil
	}
	return "", nil
}

func (s *Service) apply(ctx context.Context, by audit.Actor, o *org.Organization, rows []target, report *Report) error {
	var added, assigned, unchanged int
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		added, assigned, unchanged = 0, 0, 0
		for _, w := range rows {
			did, err := s.applyRow(ctx, tx, by, o, w)
			if problem.Has(err, problem.Conflict) {
				err = errors.New("somebody changed the token at the same time; run this again")
			}
			if err != nil {
				return fmt.Errorf("line %d: %w", w.line, err)
			}
			added += did.Added
			assigned += did.Assigned
			unchanged += did.Unchanged
		}
		return nil
	})
	if err == nil {
		report.Added += added
		report.Assigned += assigned
		report.Unchanged += unchanged
	}
	return err
}

func (s *Service) applyRow(ctx context.Context, tx *store.Tx, by audit.Actor, o *org.Organization, w target) (did Report, err error) {
	t, err := s.d.Methods.TokenBySerial(ctx, tx, o.ID, w.token.Serial)
	if problem.Has(err, problem.NotFound) {
		w.token.OrgID = o.ID
		t, err = s.d.Methods.AddToken(ctx, tx, w.token)
		did.Added = 1
	}
	if err != nil {
		return did, err
	}
	if w.account.ID != "" && t.AccountID != w.account.ID {
		if err := s.d.Methods.AssignToken(ctx, tx, o.ID, t.ID, w.account.ID); err != nil {
			return did, err
		}
		did.Assigned = 1
		return did, s.record(ctx, tx, by, audit.MethodChanged, "token_assigned", t, w.account)
	}
	did.Unchanged = 1 - did.Added
	return did, nil
}
