package token

import (
	"bufio"
	"bytes"
	"encoding/base32"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"kunci.dev/kunci/internal/method"
)

// Why a row is refused. The sentence of each is "token.import.<reason>".
const (
	ReasonHeader        = "header"         // the file is empty
	ReasonSyntax        = "syntax"         // not CSV
	ReasonFieldCount    = "field-count"    // more or fewer fields than the header
	ReasonUnknownColumn = "unknown-column" // no such column
	ReasonColumnTwice   = "column-twice"
	ReasonMissing       = "missing" // the column or the value is missing
	ReasonSerial        = "serial"  // too long, or characters that cannot be shown
	ReasonSecret        = "secret"  // neither base32 nor hexadecimal, or not 16 to 128 bytes
	ReasonInterval      = "interval"
	ReasonType          = "type"
	ReasonDigits        = "digits"
	ReasonAlgorithm     = "algorithm"
	ReasonCounter       = "counter"
	ReasonText          = "text"         // too long, or characters that cannot be shown
	ReasonSerialTwice   = "serial-twice" // earlier in the same file
	ReasonTaken         = "taken"        // another token has this serial number or secret
	ReasonNotFound      = "not-found"    // no such account
	ReasonHeld          = "held"         // somebody else has the token
	ReasonTooMany       = "too-many"     // more rows than a file may have
)

// maxRows bounds a file: a delivery of tokens is far smaller.
const maxRows = 100_000

// The columns. Those of Entra's file come first; a name is known in any case,
// with spaces, hyphens or underscores.
const (
	colUser         = "upn"
	colSerial       = "serialnumber"
	colSecret       = "secretkey"
	colInterval     = "timeinterval"
	colManufacturer = "manufacturer"
	colModel        = "model"
	colType         = "type"
	colCounter      = "counter"
	colDigits       = "digits"
	colAlgorithm    = "algorithm"
)

var columns = []string{
	colUser, colSerial, colSecret, colInterval, colManufacturer, colModel, colType, colCounter, colDigits, colAlgorithm,
}

var alike = map[string]string{"userid": colUser, "serial": colSerial, "secret": colSecret, "interval": colInterval}

// BadRow names what is wrong with a row. It never repeats a value.
type BadRow struct {
	Line   int
	Column string // empty when it is about the whole row
	Reason string
}

// row is a token as a file says it.
type row struct {
	line   int
	userID string
	token  method.Token
}

// read gives the rows of a file and those that cannot be read. A *FileError is
// about the file as a whole.
func read(r io.Reader) (good []row, bad []BadRow, err error) {
	in := bufio.NewReader(r)
	if bom, err := in.Peek(3); err == nil && bytes.Equal(bom, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // just peeked
	}
	c := csv.NewReader(in)
	c.ReuseRecord = true
	header, bad, err := readHeader(c)
	if len(bad) > 0 {
		err = &FileError{bad}
	}
	if err != nil {
		return nil, nil, err
	}
	seen := make(map[string]bool)
	for {
		fields, err := c.Read()
		if errors.Is(err, io.EOF) {
			return good, bad, nil
		}
		var parse *csv.ParseError
		if errors.As(err, &parse) {
			reason := ReasonSyntax
			if errors.Is(err, csv.ErrFieldCount) {
				reason = ReasonFieldCount
			}
			bad = append(bad, BadRow{Line: parse.StartLine, Reason: reason})
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read token file: %w", err)
		}
		line, _ := c.FieldPos(0)
		if len(good)+len(bad) >= maxRows {
			return nil, nil, &FileError{[]BadRow{{Line: line, Reason: ReasonTooMany}}}
		}
		values := make(map[string]string, len(header))
		for i, v := range fields {
			values[header[i]] = strings.TrimSpace(v)
		}
		w, fault := parseRow(line, values)
		if fault == nil && seen[w.token.Serial] {
			fault = &BadRow{Line: line, Column: colSerial, Reason: ReasonSerialTwice}
		}
		if fault != nil {
			bad = append(bad, *fault)
			continue
		}
		seen[w.token.Serial] = true
		good = append(good, w)
	}
}

func readHeader(c *csv.Reader) (header []string, bad []BadRow, err error) {
	first, err := c.Read()
	if errors.Is(err, io.EOF) {
		return nil, []BadRow{{Line: 1, Reason: ReasonHeader}}, nil
	}
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return nil, []BadRow{{Line: 1, Reason: ReasonSyntax}}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read token file: %w", err)
	}
	for _, name := range first {
		column := columnOf(name)
		switch {
		case !slices.Contains(columns, column):
			bad = append(bad, BadRow{Line: 1, Column: shorten(name), Reason: ReasonUnknownColumn})
		case slices.Contains(header, column):
			bad = append(bad, BadRow{Line: 1, Column: column, Reason: ReasonColumnTwice})
		}
		header = append(header, column)
	}
	for _, name := range []string{colSerial, colSecret} {
		if !slices.Contains(header, name) {
			bad = append(bad, BadRow{Line: 1, Column: name, Reason: ReasonMissing})
		}
	}
	return header, bad, nil
}

func columnOf(name string) string {
	name = strings.Map(func(r rune) rune {
		if r == ' ' || r == '_' || r == '-' {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	if column, ok := alike[name]; ok {
		return column
	}
	return name
}

func parseRow(line int, v map[string]string) (row, *BadRow) {
	refuse := func(column, reason string) (row, *BadRow) { return row{}, &BadRow{line, column, reason} }
	w := row{line: line, userID: v[colUser]}
	t := &w.token
	t.Serial, t.Manufacturer, t.Model = v[colSerial], v[colManufacturer], v[colModel]
	switch {
	case t.Serial == "":
		return refuse(colSerial, ReasonMissing)
	case !shown(t.Serial, 64):
		return refuse(colSerial, ReasonSerial)
	case v[colSecret] == "":
		return refuse(colSecret, ReasonMissing)
	case !shown(t.Manufacturer, 64):
		return refuse(colManufacturer, ReasonText)
	case !shown(t.Model, 64):
		return refuse(colModel, ReasonText)
	}
	var ok bool
	if t.Seed, ok = parseSecret(v[colSecret]); !ok {
		return refuse(colSecret, ReasonSecret)
	}
	if t.OATH.Algorithm, ok = parseAlgorithm(v[colAlgorithm]); !ok {
		return refuse(colAlgorithm, ReasonAlgorithm)
	}
	if t.OATH.Digits, ok = oneOf(v[colDigits], 6, 8); !ok {
		return refuse(colDigits, ReasonDigits)
	}
	switch strings.ToLower(v[colType]) {
	case "", "totp":
		if t.OATH.Period, ok = oneOf(v[colInterval], 30, 60); !ok {
			return refuse(colInterval, ReasonInterval)
		}
		if v[colCounter] != "" {
			return refuse(colCounter, ReasonCounter)
		}
	case "hotp":
		counter, err := strconv.ParseInt("0"+v[colCounter], 10, 64)
		if err != nil || counter > 1<<53 {
			return refuse(colCounter, ReasonCounter)
		}
		// A counter has no interval; Entra's file has the column all the same.
		t.OATH.Counter, t.LastStep = true, counter-1
	default:
		return refuse(colType, ReasonType)
	}
	return w, nil
}

// parseSecret reads base32 or hexadecimal digits, in groups or not. What can be
// both is hexadecimal: sixteen characters of base32 that look so are one in ten
// million.
func parseSecret(text string) ([]byte, bool) {
	text = strings.ToUpper(strings.NewReplacer(" ", "", "-", "", "=", "").Replace(text))
	seed, err := hex.DecodeString(text)
	if err != nil {
		seed, err = base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	}
	return seed, err == nil && len(seed) >= method.MinSeed && len(seed) <= method.MaxSeed
}

func parseAlgorithm(text string) (method.Algorithm, bool) {
	name := strings.TrimPrefix(strings.ReplaceAll(strings.ToUpper(text), "-", ""), "HMAC")
	switch name {
	case "":
		return method.SHA1, true
	case string(method.SHA1), string(method.SHA256), string(method.SHA512):
		return method.Algorithm(name), true
	}
	return "", false
}

// oneOf reads a number that is one of two; an empty text is the first.
func oneOf(text string, first, second int) (int, bool) {
	switch text {
	case "", strconv.Itoa(first):
		return first, true
	case strconv.Itoa(second):
		return second, true
	}
	return 0, false
}

// shown tells whether a text can stand on a page as it is.
func shown(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// shorten keeps a foreign name out of messages in full length.
func shorten(s string) string {
	r := []rune(strings.ToValidUTF8(s, "?"))
	if len(r) > 40 {
		r = append(r[:40], '…')
	}
	return string(r)
}
