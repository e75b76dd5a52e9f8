// Command kunci lets the people of an organization reset their own forgotten
// password and look after the security info that proves who they are. See
// "kunci help".
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"kunci.dev/kunci/internal/app"
)

// Exit codes.
const (
	done     = 0
	failed   = 1
	wrongUse = 2
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// A second signal ends the program at once.
	context.AfterFunc(ctx, stop)
	err := newRoot().ExecuteContext(ctx)
	var misuse *usageError
	switch {
	case err == nil:
		return done
	case errors.Is(err, errTold):
		return failed
	case errors.As(err, &misuse):
		fmt.Fprintf(os.Stderr, "kunci: %v; see: %s --help\n", misuse, misuse.command)
		return wrongUse
	}
	fmt.Fprintf(os.Stderr, "kunci: %s\n", app.Sentence(err))
	return failed
}
