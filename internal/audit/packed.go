package audit

import (
	"context"
	"encoding/binary"
	"strings"

	"kunci.dev/kunci/internal/store"
)

// Reading a column costs more than hashing it. Verify therefore has the database
// join the texts of a record, and takes them apart here. What joins them is in no
// text that was logged; a changed one that holds it gives too many parts, so that
// no two rows are taken for the same record.
const joint = "\x1f"

// The texts of a record in the order in which the log hashes them.
const (
	packedID        = 0
	packedKind      = 2
	packedReason    = 4
	packedDetail    = 11
	packedActorKey  = 12
	packedTargetKey = 13
	packedTexts     = 14
)

// packed is a record with its texts still joined.
type packed struct {
	leaf, at              int64
	joined                string
	actorData, targetData []byte

	ends  [packedTexts]int // where each text ends
	parts int
}

// split finds the texts.
func (p *packed) split() {
	p.parts = 0
	for at := 0; ; {
		next := strings.IndexByte(p.joined[at:], joint[0])
		end := len(p.joined)
		if next >= 0 {
			end = at + next
		}
		if p.parts < packedTexts {
			p.ends[p.parts] = end
		}
		p.parts++
		if next < 0 {
			return
		}
		at = end + 1
	}
}

// text is one of the texts; empty where there are not as many.
func (p *packed) text(n int) string {
	if n >= p.parts || n >= packedTexts {
		return ""
	}
	start := 0
	if n > 0 {
		start = p.ends[n-1] + 1
	}
	return p.joined[start:p.ends[n]]
}

// appendLeaf is what row.appendLeaf gives for the same record, and nothing that
// was ever hashed where the texts are not as many as a record has.
func (p *packed) appendLeaf(data []byte) []byte {
	data = append(data, leafFormat...)
	if p.parts != packedTexts {
		return append(data, p.joined...)
	}
	start := 0
	for _, end := range p.ends {
		data = binary.AppendUvarint(data, uint64(end-start))
		data = append(data, p.joined[start:end]...)
		start = end + 1
	}
	for _, sealed := range [...][]byte{p.actorData, p.targetData} {
		data = binary.AppendUvarint(data, uint64(len(sealed)))
		data = append(data, sealed...)
	}
	return binary.BigEndian.AppendUint64(data, uint64(p.at))
}

const packedQuery = `SELECT leaf, at, CONCAT_WS($3, id, org_id, kind, outcome, reason, actor_kind, actor, target, method_id, method_kind,
 correlation, detail, actor_key, target_key), actor_data, target_data FROM audit_event ` + inSpan + ` ORDER BY leaf`

// walkTheIndex has PostgreSQL read places in the order of their index, to the end
// of the transaction. Where its statistics are older than the records, which they
// are after every busy hour, it would gather the rows by a bitmap and sort them:
// six times the work of the same rows in order.
func walkTheIndex(ctx context.Context, tx *store.Tx) error {
	if tx.Kind() != store.PostgreSQL {
		return nil
	}
	_, err := tx.Exec(ctx, `SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true)`)
	return err
}

// eachPacked streams the records at places from first up to end to fn, in order.
// What fn is given is overwritten by the next one, but for its texts.
func eachPacked(ctx context.Context, tx *store.Tx, first, end int64, fn func(*packed) error) error {
	if err := walkTheIndex(ctx, tx); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, packedQuery, first, end, joint)
	if err != nil {
		return err
	}
	defer rows.Close()
	var p packed
	targets := []any{&p.leaf, &p.at, &p.joined, &p.actorData, &p.targetData}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		p.split()
		if err := fn(&p); err != nil {
			return err
		}
	}
	return rows.Err()
}
