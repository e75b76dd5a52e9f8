package account

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Format is how an account file is written.
type Format string

// The formats.
const (
	CSV    Format = "csv"
	NDJSON Format = "ndjson"
)

// The columns of an account file; NDJSON uses the same names as keys.
const (
	colUserID      = "user_id"
	colDisplayName = "display_name"
	colGivenName   = "given_name"
	colFamilyName  = "family_name"
	colPassword    = "password"
	colGroups      = "groups"
	colEmail       = "email"
	colMobile      = "mobile_phone"
	colOffice      = "office_phone"
	colSource      = "password_source"
	colLanguage    = "language"
	colDisabled    = "disabled"
	colMustChange  = "must_change"
)

var columnNames = []string{
	colUserID, colDisplayName, colGivenName, colFamilyName, colPassword, colGroups, colEmail, colMobile,
	colOffice, colSource, colLanguage, colDisabled, colMustChange,
}

// methodColumns are the ones that do not belong to a directory.
var methodColumns = []string{colUserID, colEmail, colMobile, colOffice}

// contactColumns are also keys of directory.attributes.
var contactColumns = []string{colEmail, colMobile, colOffice}

// maxLine bounds one record: a file with a lost quotation mark is one record.
const maxLine = 1 << 20

// record is one row as written: only what the file says, by column.
type record struct {
	line   int
	values map[string]string
	bad    *BadRow // the row cannot be read at all
}

// records reads an account file row by row. next gives io.EOF at the end; any
// other error is about the whole file.
type records interface {
	next() (record, error)
	// offset is how many bytes of the file the records so far took.
	offset() int64
	// from goes on at the beginning of a later record of the same file.
	from(r io.Reader) records
	// renumber adds to the lines of the records that follow.
	renumber(lines int)
}

// open reads what comes before the rows.
func open(r io.Reader, f Format, allowed []string) (records, error) {
	b := bufio.NewReaderSize(r, 64*1024)
	skipped := int64(0)
	if bom, err := b.Peek(3); err == nil && bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = b.Discard(3) // just peeked
		skipped = 3
	}
	switch f {
	case CSV:
		return openCSV(b, allowed, skipped)
	case NDJSON:
		return &jsonRecords{in: b, allowed: allowed, read: skipped}, nil
	}
	return nil, fmt.Errorf("account file: unknown format %q; use csv or ndjson", f)
}

type csvRecords struct {
	in      *csv.Reader
	bound   *bounded
	header  []string
	skipped int64
	lines   int // added to those that the reader counts
	last    int // line of the last record
}

// bounded ends a record that goes on and on: one lost quotation mark would else
// make the whole rest of the file one record, held in memory.
type bounded struct {
	in    io.Reader
	given int64
	until int64
}

// Read implements io.Reader.
func (b *bounded) Read(into []byte) (int, error) {
	if b.given >= b.until {
		return 0, errEndless
	}
	n, err := b.in.Read(into)
	b.given += int64(n)
	return n, err
}

var errEndless = errors.New("account file: a record is longer than it may be")

// ahead is how far a buffer reads beyond the record that is asked for.
const ahead = 128 << 10

func (c *csvRecords) read() ([]string, error) {
	c.bound.until = c.in.InputOffset() + maxLine + ahead
	return c.in.Read()
}

func (c *csvRecords) offset() int64 { return c.in.InputOffset() + c.skipped }

func (c *csvRecords) renumber(lines int) { c.lines += lines }

func (c *csvRecords) from(r io.Reader) records {
	next := newCSV(r)
	next.header, next.in.FieldsPerRecord = c.header, len(c.header)
	return next
}

func newCSV(r io.Reader) *csvRecords {
	c := &csvRecords{bound: &bounded{in: r}}
	c.in = csv.NewReader(c.bound)
	c.in.ReuseRecord = true
	return c
}

func openCSV(b io.Reader, allowed []string, skipped int64) (records, error) {
	in := newCSV(b)
	in.skipped = skipped
	first, err := in.read()
	if errors.Is(err, io.EOF) {
		return nil, &FileError{Rows: []BadRow{{Line: 1, Reason: ReasonHeader}}, Total: 1}
	}
	if err != nil {
		return nil, &FileError{Rows: []BadRow{{Line: 1, Reason: ReasonSyntax}}, Total: 1}
	}
	header := slices.Clone(first)
	var bad []BadRow
	for i, name := range header {
		switch {
		case !slices.Contains(allowed, name):
			bad = append(bad, BadRow{Line: 1, Column: shorten(name), Reason: ReasonUnknownColumn})
		case slices.Contains(header[:i], name):
			bad = append(bad, BadRow{Line: 1, Column: name, Reason: ReasonColumnTwice})
		}
	}
	if !slices.Contains(header, colUserID) {
		bad = append(bad, BadRow{Line: 1, Column: colUserID, Reason: ReasonMissing})
	}
	if len(bad) > 0 {
		return nil, &FileError{Rows: bad, Total: len(bad)}
	}
	in.header = header
	return in, nil
}

func (c *csvRecords) next() (record, error) {
	fields, err := c.read()
	if errors.Is(err, io.EOF) {
		return record{}, io.EOF
	}
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		reason := ReasonSyntax
		if errors.Is(err, csv.ErrFieldCount) {
			reason = ReasonFieldCount
		}
		line := parse.StartLine + c.lines
		return record{line: line, bad: &BadRow{Line: line, Reason: reason}}, nil
	}
	if errors.Is(err, errEndless) {
		return record{}, &FileError{Rows: []BadRow{{Line: c.last + 1, Reason: ReasonTooLong}}, Total: 1}
	}
	if err != nil {
		return record{}, fmt.Errorf("read account file: %w", err)
	}
	line, _ := c.in.FieldPos(0)
	line += c.lines
	c.last = line
	r := record{line: line, values: make(map[string]string, len(fields))}
	for i, v := range fields {
		if v != "" {
			r.values[c.header[i]] = v
		}
	}
	return r, nil
}

type jsonRecords struct {
	in      *bufio.Reader
	allowed []string
	line    int
	read    int64
}

func (j *jsonRecords) offset() int64 { return j.read }

func (j *jsonRecords) renumber(lines int) { j.line += lines }

func (j *jsonRecords) from(r io.Reader) records {
	return &jsonRecords{in: bufio.NewReaderSize(r, 64*1024), allowed: j.allowed}
}

func (j *jsonRecords) next() (record, error) {
	for {
		text, err := j.readLine()
		if err != nil && !(errors.Is(err, io.EOF) && len(text) > 0) {
			return record{}, err
		}
		j.line++
		if len(text) > maxLine {
			return record{line: j.line, bad: &BadRow{Line: j.line, Reason: ReasonTooLong}}, nil
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		values, bad := parseObject(text, j.allowed)
		if bad != nil {
			bad.Line = j.line
			return record{line: j.line, bad: bad}, nil
		}
		return record{line: j.line, values: values}, nil
	}
}

// readLine gives at most one byte more than a line may have, and reads past the rest.
func (j *jsonRecords) readLine() ([]byte, error) {
	var text []byte
	for {
		part, err := j.in.ReadSlice('\n')
		j.read += int64(len(part))
		if room := maxLine + 1 - len(text); room > 0 {
			text = append(text, part[:min(len(part), room)]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read account file: %w", err)
		}
		return text, err
	}
}

// parseObject reads one object strictly. The standard decoder takes the last of
// two equal keys and any case of a name; here each would let a file say two
// things, so both are refused.
func parseObject(text []byte, allowed []string) (map[string]string, *BadRow) {
	syntax := &BadRow{Reason: ReasonSyntax}
	if !utf8.Valid(text) {
		return nil, syntax
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if start, err := d.Token(); err != nil || start != json.Delim('{') {
		return nil, syntax
	}
	values := make(map[string]string)
	seen := make(map[string]bool)
	for d.More() {
		key, err := d.Token()
		name, ok := key.(string)
		if err != nil || !ok {
			return nil, syntax
		}
		if !slices.Contains(allowed, name) {
			return nil, &BadRow{Column: shorten(name), Reason: ReasonUnknownColumn}
		}
		if seen[name] {
			return nil, &BadRow{Column: name, Reason: ReasonColumnTwice}
		}
		seen[name] = true
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return nil, syntax
		}
		value, ok := jsonValue(name, raw)
		if !ok {
			return nil, &BadRow{Column: name, Reason: ReasonType}
		}
		if value != "" {
			values[name] = value
		}
	}
	if end, err := d.Token(); err != nil || end != json.Delim('}') {
		return nil, syntax
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, syntax
	}
	return values, nil
}

// jsonValue takes a text for every column, true and false for switches, a list
// of texts for groups, and null for what the file does not say.
func jsonValue(name string, raw json.RawMessage) (string, bool) {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case nil:
		return "", true
	case string:
		return v, true
	case bool:
		return fmt.Sprint(v), name == colDisabled || name == colMustChange
	case []any:
		var names []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok || strings.Contains(s, ";") {
				return "", false
			}
			names = append(names, s)
		}
		return strings.Join(names, ";"), name == colGroups
	}
	return "", false
}

// shorten keeps a foreign name out of messages in full length.
func shorten(s string) string {
	r := []rune(strings.ToValidUTF8(s, "?"))
	if len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return string(r)
}
