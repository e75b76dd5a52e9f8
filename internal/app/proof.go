package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/store"
)

// Proved is a proof with the key that checks it.
type Proved struct {
	audit.Proof
	PublicKey string `json:"public_key"`
}

// Proof shows that an event is in the log.
func (a *App) Proof(ctx context.Context, id string) (p Proved, err error) {
	if err := a.Audit.Run(ctx); err != nil {
		return p, err
	}
	if p.Proof, err = a.Audit.Prove(ctx, id); errors.Is(err, store.ErrNoRows) {
		return p, fmt.Errorf("there is no event %q; see: kunci audit export", id)
	}
	if err != nil {
		return p, err
	}
	p.PublicKey, err = a.Audit.PublicKey()
	return p, err
}

// Continued is a proof of consistency with the key that checks it.
type Continued struct {
	audit.Consistency
	PublicKey string `json:"public_key"`
}

// Continues shows that the log continues an older checkpoint of it, or says that it
// does not.
func (a *App) Continues(ctx context.Context, older string) (c Continued, err error) {
	if err := a.Audit.Run(ctx); err != nil {
		return c, err
	}
	size, err := a.Audit.SizeOf(older)
	if err != nil {
		return c, err
	}
	if c.Consistency, err = a.Audit.Continues(ctx, size); err != nil {
		return c, err
	}
	if c.PublicKey, err = a.Audit.PublicKey(); err != nil {
		return c, err
	}
	return c, c.Check(c.PublicKey, older)
}

// ExportLeaves writes the whole log as it is hashed, and gives its checkpoint.
func (a *App) ExportLeaves(ctx context.Context, out io.Writer) (int64, string, error) {
	return a.Audit.ExportLeaves(ctx, out, operator)
}
