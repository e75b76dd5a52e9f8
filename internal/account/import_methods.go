package account

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/store"
)

// applyMethods registers the methods of a row. A value the file named before is
// left alone, also when its person deleted it since. A new value takes the place
// of one that an administrator gave; what a person registered stays.
func (im *importer) applyMethods(ctx context.Context, tx *store.Tx, key string, w *target, did *ImportReport) (changed bool, err error) {
	if err := insertIfMissing(ctx, tx, store.NewID(), im.org.ID, key); err != nil {
		return false, fmt.Errorf("make account: %w", err)
	}
	id, marks, err := selectFileMethods(ctx, tx, im.org.ID, key)
	if err != nil {
		return false, fmt.Errorf("find account: %w", err)
	}
	before := strings.Join(marks, "\n")
	for _, m := range w.methods {
		m.OrgID, m.AccountID = im.org.ID, id
		mark := im.mark(m)
		if slices.Contains(marks, mark) {
			continue
		}
		added, err := im.applyMethod(ctx, tx, m, w)
		if p, ok := problem.As(err); ok && p.Code == problem.MethodLimit {
			did.bad(BadRow{Line: w.line, Column: string(m.Kind), Reason: ReasonMethodLimit})
			continue
		}
		if err != nil {
			return false, err
		}
		if added {
			did.MethodsAdded++
		}
		marks = slices.DeleteFunc(marks, func(s string) bool { return strings.HasPrefix(s, string(m.Kind)+" ") })
		marks = append(marks, mark)
	}
	after := strings.Join(marks, "\n")
	if after == before {
		return false, nil
	}
	if err := one(updateFileMethods(ctx, tx, im.org.ID, id, after)); err != nil {
		return false, fmt.Errorf("note methods of the file: %w", err)
	}
	return true, nil
}

func (im *importer) applyMethod(ctx context.Context, tx *store.Tx, m method.Method, w *target) (added bool, err error) {
	have, err := im.methods.List(ctx, tx, m.OrgID, m.AccountID)
	if err != nil {
		return false, err
	}
	kind := audit.MethodAdded
	for _, h := range have {
		if h.Kind != m.Kind || !h.Usable() {
			continue
		}
		if string(im.methods.Fingerprint(h)) == string(im.methods.Fingerprint(m)) {
			return false, nil
		}
		if h.ProvedBy == method.ByAdministrator {
			if _, err := im.methods.Withdraw(ctx, tx, m.OrgID, m.AccountID, h.ID); err != nil {
				return false, err
			}
			kind = audit.MethodChanged
		}
	}
	stored, err := im.methods.Add(ctx, tx, m)
	if err != nil {
		return false, err
	}
	return true, im.audit.Record(ctx, tx, im.by, audit.Event{
		Kind: kind, Org: m.OrgID, Target: m.AccountID, TargetUserID: w.account.UserID, Outcome: audit.Success,
		Reason: "import", MethodID: stored.ID, MethodKind: string(stored.Kind),
	})
}

// newMethods counts the methods of a row that the file did not name before.
func (im *importer) newMethods(ctx context.Context, tx *store.Tx, key string, r row) (int, error) {
	if key == "" || len(r.methods) == 0 {
		return len(r.methods), nil
	}
	id, marks, err := selectFileMethods(ctx, tx, im.org.ID, key)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return 0, fmt.Errorf("find account: %w", err)
	}
	n := 0
	for _, m := range r.methods {
		m.OrgID, m.AccountID = im.org.ID, id
		if !slices.Contains(marks, im.mark(m)) {
			n++
		}
	}
	return n, nil
}

// mark is what is remembered of a value that a file named.
func (im *importer) mark(m method.Method) string {
	return string(m.Kind) + " " + hex.EncodeToString(im.methods.Fingerprint(m))
}
