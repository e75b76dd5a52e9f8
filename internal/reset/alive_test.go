package reset_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/reset"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

// toWrite gives a flow that may set a password.
func toWrite(t *testing.T, w *world) reset.Flow {
	t.Helper()
	m := w.email(t, alain)
	return w.proveEmail(t, w.start(t, alain, reset.Forgot), m).Flow
}

// dies begins to write and ends in the middle of it, as a node that is killed does:
// nothing after the directory's call runs.
func dies(t *testing.T, w *world, f reset.Flow) {
	t.Helper()
	w.people.asked = func(context.Context, string) { runtime.Goexit() }
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = w.s.SetPassword(context.WithoutCancel(t.Context()), by, f, good)
	}()
	<-gone
	w.people.asked = nil
}

// A node that dies while it writes keeps the person from trying again for a lease
// and no longer. Who tries sooner waits for its end, and the directory is told of
// the attempt before.
func TestANodeThatDiesWhileItWrites(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		f := toWrite(t, w)
		died := clock.Now()
		dies(t, w, f)
		reset.Hurry(w.s, time.Minute, time.Minute, 200*time.Millisecond)
		_, err := w.s.SetPassword(t.Context(), by, f, good)
		if p, _ := problem.As(err); p == nil || p.Code != problem.StillWriting || p.RetryAfter <= 0 || p.RetryAfter > reset.Lease {
			t.Fatalf("at once: %v", err)
		}
		if w.people.writes != 0 || w.count(t, audit.ResetCompleted) != 0 {
			t.Fatal("somebody wrote")
		}
		reset.Hurry(w.s, time.Minute, time.Minute, time.Minute)
		waits := make(chan error, 1)
		go func() {
			r, err := w.s.SetPassword(context.WithoutCancel(t.Context()), by, f, good)
			if err == nil && r.Flow.State != reset.Done {
				err = errors.New("it is " + string(r.Flow.State))
			}
			waits <- err
		}()
		clock.Advance(reset.Lease + time.Millisecond)
		select {
		case err := <-waits:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it waits for ever")
		}
		if w.people.writes != 1 || w.count(t, audit.ResetCompleted) != 1 {
			t.Errorf("%d writes, %d completed", w.people.writes, w.count(t, audit.ResetCompleted))
		}
		if w.people.begun.IsZero() || w.people.begun.After(died) {
			t.Errorf("the directory hears of an attempt of %v, which died at %v", w.people.begun, died)
		}
	})
}

// What the directory did not answer is an attempt of the past, too; what it refused
// is none.
func TestTheDirectoryHearsOfAnAttemptThatNobodyKnowsTheEndOf(t *testing.T) {
	for fault, heard := range map[error]bool{directory.ErrUnavailable: true, context.DeadlineExceeded: true, &directory.RefusedError{Rule: directory.RuleOther}: false} {
		storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
			w := newWorld(t, db, clock)
			f := toWrite(t, w)
			w.people.fault = fault
			if _, err := w.s.SetPassword(t.Context(), by, f, good); heard != (err != nil) {
				t.Fatal(err)
			}
			if !w.people.begun.IsZero() {
				t.Error("the first attempt is told of one before")
			}
			w.people.fault = nil
			r, err := w.s.SetPassword(t.Context(), by, f, good)
			if err != nil || r.Flow.State != reset.Done {
				t.Fatalf("%s, %v", r.Flow.State, err)
			}
			if w.people.begun.IsZero() == heard {
				t.Errorf("after %v the directory hears of an attempt: %v", fault, !w.people.begun.IsZero())
			}
		})
	}
}

// A directory that takes its time keeps the step: the attempt says that it lives.
func TestAnAttemptThatLivesKeepsItsStep(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		f := toWrite(t, w)
		reset.Hurry(w.s, 20*time.Millisecond, time.Minute, 100*time.Millisecond)
		begun, goes := make(chan struct{}), make(chan struct{})
		w.people.asked = func(context.Context, string) { close(begun); <-goes }
		first := make(chan error, 1)
		go func() {
			_, err := w.s.SetPassword(context.WithoutCancel(t.Context()), by, f, good)
			first <- err
		}()
		<-begun
		for range 3 { // three leases, and it still has the step
			before := clock.Now()
			clock.Advance(reset.Lease - time.Second)
			eventually(t, func() bool { return w.lived(t, f).After(before) })
		}
		if _, err := w.s.SetPassword(t.Context(), by, f, good); !problem.Has(err, problem.StillWriting) {
			t.Errorf("beside it: %v", err)
		}
		close(goes)
		if err := <-first; err != nil || w.people.writes != 1 {
			t.Errorf("%v, %d writes", err, w.people.writes)
		}
	})
}

// An attempt that cannot say that it lives stops, before anybody else may begin.
func TestAnAttemptThatLostItsStepStops(t *testing.T) {
	storetest.EachClock(t, func(t *testing.T, db *store.DB, clock *storetest.Clock) {
		w := newWorld(t, db, clock)
		f := toWrite(t, w)
		reset.Hurry(w.s, 20*time.Millisecond, time.Minute, 100*time.Millisecond)
		w.people.asked = func(ctx context.Context, _ string) {
			must(t, db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE reset_flow SET attempt = 'another' WHERE id = $1`, f.ID)
				return err
			}))
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
				t.Error("it goes on")
			}
		}
		_, err := w.s.SetPassword(t.Context(), by, f, good)
		if !problem.Has(err, problem.DirectoryUnavailable) || w.people.writes != 0 || w.count(t, audit.ResetCompleted) != 0 {
			t.Errorf("%v, %d writes", err, w.people.writes)
		}
	})
}

func (w *world) count(t *testing.T, k audit.Kind) (n int) {
	t.Helper()
	for _, e := range audittest.Kinds(t, w.db, w.audit) {
		if e == k {
			n++
		}
	}
	return n
}

// lived is when the attempt of a flow last said that it lives.
func (w *world) lived(t *testing.T, f reset.Flow) time.Time {
	t.Helper()
	var at int64
	must(t, w.db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT writing_at FROM reset_flow WHERE id = $1`, f.ID).Scan(&at)
	}))
	return store.Time(at)
}

// eventually waits for something that another goroutine does.
func eventually(t *testing.T, done func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatal("it never happened")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
