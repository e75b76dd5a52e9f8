package audit

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"kunci.dev/kunci/internal/store"
)

// Format is how an export is written.
type Format string

// The formats.
const (
	Lines Format = "json" // one JSON object a line
	CSV   Format = "csv"  // with a header, for spreadsheets
)

// Export writes events, oldest first, and records that somebody did, and whether
// with what identifies people. It tells how many it wrote.
func (s *Service) Export(ctx context.Context, w io.Writer, by Actor, q Query) (int, error) {
	if err := s.recordExport(ctx, by, q); err != nil {
		return 0, err
	}
	write := linesTo(w)
	if q.Format == CSV {
		write = csvTo(w)
	}
	written, after := 0, ""
	for {
		page, err := s.exportPage(ctx, q, after)
		if err == nil {
			err = write(page, written == 0)
		}
		if err != nil {
			return written, fmt.Errorf("audit: export: %w", err)
		}
		written += len(page)
		if len(page) < mostListed {
			return written, nil
		}
		after = page[len(page)-1].ID
	}
}

func (s *Service) recordExport(ctx context.Context, by Actor, q Query) error {
	people := "opened"
	if q.WithoutPeople {
		people = "left out"
	}
	return s.deps.DB.Write(ctx, func(tx *store.Tx) error {
		return s.Record(ctx, tx, by, Event{
			Kind: ExportCreated, Org: q.Org, Outcome: Success, Reason: "audit", Detail: map[string]string{"people": people},
		})
	})
}

func linesTo(w io.Writer) func([]Record, bool) error {
	encoder := json.NewEncoder(w)
	return func(page []Record, _ bool) error {
		for _, record := range page {
			if err := encoder.Encode(record); err != nil {
				return err
			}
		}
		return nil
	}
}

var csvHeader = []string{"id", "time", "leaf", "kind", "organization", "outcome", "reason", "actor_kind", "actor", "actor_user_id", "ip", "user_agent",
	"target", "target_user_id", "method_id", "method_kind", "correlation", "detail", "erased"}

func csvTo(w io.Writer) func([]Record, bool) error {
	out := csv.NewWriter(w)
	return func(page []Record, first bool) error {
		if first {
			if err := out.Write(csvHeader); err != nil {
				return err
			}
		}
		for _, r := range page {
			if err := out.Write(r.cells()); err != nil {
				return err
			}
		}
		out.Flush()
		return out.Error()
	}
}

func (r Record) cells() []string {
	leaf, detail, erased := "", "", ""
	if r.Leaf >= 0 {
		leaf = strconv.FormatInt(r.Leaf, 10)
	}
	if len(r.Detail) > 0 {
		if text, err := json.Marshal(r.Detail); err == nil { // texts by name always can
			detail = string(text)
		}
	}
	if r.Erased {
		erased = "yes"
	}
	all := []string{r.ID, r.Time.UTC().Format(time.RFC3339Nano), leaf, string(r.Kind), r.Org, string(r.Outcome), r.Reason, string(r.Actor.Kind),
		r.Actor.Account, r.Actor.UserID, r.Actor.IP, r.Actor.UserAgent, r.Target, r.TargetUserID, r.MethodID, r.MethodKind, r.Correlation, detail, erased}
	for i := range all {
		all[i] = Cell(all[i])
	}
	return all
}

// Cell keeps a text from being a formula in a spreadsheet (OWASP, CSV Injection):
// an apostrophe before what would begin one, full-width forms among them. Every
// CSV that holds a text of somebody's is written through it.
func Cell(s string) string {
	if strings.IndexAny(s, "=+-@\t\r\n\x00\uff1d\uff0b\uff0d\uff20") == 0 {
		return "'" + s
	}
	return s
}

// Leaf is a record as the log hashes it: what identifies people in it is sealed.
type Leaf struct {
	Index int64  `json:"leaf_index"`
	Data  []byte `json:"leaf_hash_input"`
}

// ExportLeaves writes the whole log as it is hashed, one JSON object a line, up to
// the newest checkpoint, which it gives: whoever has the public key can compute the
// root again without this program. It tells how many leaves it wrote.
func (s *Service) ExportLeaves(ctx context.Context, w io.Writer, by Actor) (n int64, checkpoint string, err error) {
	if err := s.recordExport(ctx, by, Query{WithoutPeople: true}); err != nil {
		return 0, "", err
	}
	if err := s.Run(ctx); err != nil {
		return 0, "", err
	}
	if checkpoint, err = s.Checkpoint(ctx); err != nil {
		return 0, "", err
	}
	head, err := s.openCheckpoint(checkpoint)
	if err != nil {
		return 0, "", fmt.Errorf("audit: export: %w", err)
	}
	encoder := json.NewEncoder(w)
	for n < head.size {
		var page []Leaf
		err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
			page = nil
			return eachEvent(ctx, tx, func(r row) error {
				page = append(page, Leaf{r.leaf, r.leafData()})
				return nil
			}, inSpan+` ORDER BY leaf`, n, min(n+mostListed, head.size))
		})
		for _, l := range page {
			if err == nil {
				err = encoder.Encode(l)
			}
		}
		if err != nil {
			return n, "", fmt.Errorf("audit: export: %w", err)
		}
		n = min(n+mostListed, head.size)
	}
	return n, checkpoint, nil
}

// exportPage reads one page in a transaction of its own, so that a slow reader holds none open.
func (s *Service) exportPage(ctx context.Context, q Query, after string) ([]Record, error) {
	q.Before, q.after = "", after
	where, args := q.where()
	var page []Record
	err := s.deps.DB.Read(ctx, func(tx *store.Tx) error {
		page = nil
		var rows []row
		err := eachEvent(ctx, tx, func(r row) error { rows = append(rows, r); return nil },
			fmt.Sprintf("%s ORDER BY at, id LIMIT %d", where, mostListed), args...)
		if err != nil {
			return err
		}
		page, err = s.openAll(ctx, tx, q, rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("audit: export: %w", err)
	}
	return page, nil
}
