// Package audittest gives tests a real audit service and what it recorded. Tests only.
package audittest

import (
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
)

// listed is a log in which no reason may be told that is not in the list. Tests of
// the log itself record texts that are no codes.
type listed struct{ t testing.TB }

var code = regexp.MustCompile(` reason=[a-z_-]+\n$`)

// Write looks at a line.
func (l listed) Write(line []byte) (int, error) {
	if strings.Contains(string(line), audit.Unlisted) && code.Match(line) {
		l.t.Errorf("audit.Reasons: %s", line)
	}
	return len(line), nil
}

// New gives an audit service with keys of its own.
func New(t testing.TB, db *store.DB) *audit.Service {
	t.Helper()
	s, err := audit.New(audit.Deps{
		DB: db, Keys: secrettest.NewTestKeyset(t), Origin: "kunci.test/audit",
		Log: slog.New(slog.NewTextHandler(listed{t}, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Events gives everything recorded, oldest first.
func Events(t testing.TB, db *store.DB, s *audit.Service) []audit.Record {
	t.Helper()
	var newest []audit.Record
	err := db.Read(t.Context(), func(tx *store.Tx) (err error) {
		newest, err = s.List(t.Context(), tx, audit.Query{Limit: 1000})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	oldest := make([]audit.Record, 0, len(newest))
	for i := len(newest) - 1; i >= 0; i-- {
		oldest = append(oldest, newest[i])
	}
	return oldest
}

// Kinds gives the kinds of everything recorded, oldest first.
func Kinds(t testing.TB, db *store.DB, s *audit.Service) []audit.Kind {
	t.Helper()
	var kinds []audit.Kind
	for _, event := range Events(t, db, s) {
		kinds = append(kinds, event.Kind)
	}
	return kinds
}

// CheckLog fails the test when anything is wrong with the log, or with what was
// recorded: the whole of it, from the rows.
func CheckLog(t testing.TB, s *audit.Service, known ...string) audit.Report {
	t.Helper()
	report, err := s.Verify(t.Context(), known...)
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range report.Faults {
		t.Errorf("the audit log: %s", fault)
	}
	return report
}
