package app

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/secret"
)

// belong refuses keys that are not this database's. Without the right ones no
// address opens and no password is right, and every new value would be sealed
// under keys that the database's other nodes do not have.
func (a *App) belong(ctx context.Context) error {
	signed, err := a.Audit.Checkpoint(ctx)
	if err != nil || signed == "" {
		return err // a log that is still empty says nothing
	}
	verifier, err := a.Keys.Verifier(auditOrigin(a.Keys))
	if err != nil {
		return err
	}
	if _, err := note.Open([]byte(signed), note.VerifierList(verifier)); err != nil {
		return fmt.Errorf("the keyset %s does not belong to this database: bring the one that was made with it", a.Config.Keyset)
	}
	return nil
}

// RotateKeys adds a sealing key to the keyset's file, which new values are
// sealed under from the next start of a node on.
func RotateKeys(c *config.Config) error {
	keys, err := secret.Open(c.Keyset)
	if err != nil {
		return err
	}
	return keys.Rotate()
}
