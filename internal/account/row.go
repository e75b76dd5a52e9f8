package account

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/embedded"
	"kunci.dev/kunci/internal/method"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/password"
	"kunci.dev/kunci/internal/problem"
)

const (
	maxText   = 256 // characters of a name
	maxGroups = 1000
)

// row is a good row, read and normalized.
type row struct {
	line     int
	account  embedded.Record
	password string // as the file has it, until it is prepared
	methods  []method.Method
}

// check turns a record into a row, or says what is wrong with it first.
func check(r record, o *org.Organization) (row, *BadRow) {
	if r.bad != nil {
		return row{}, r.bad
	}
	c := checker{line: r.line, values: r.values}
	w := row{line: r.line}
	w.account.UserID = c.userID(o.Domains)
	w.account.DisplayName = c.text(colDisplayName)
	w.account.GivenName = c.text(colGivenName)
	w.account.FamilyName = c.text(colFamilyName)
	w.account.Language = c.language()
	w.account.Groups = c.groups()
	w.account.Source = c.source()
	w.account.Disabled = c.yesNo(colDisabled)
	w.account.MustChange = c.yesNo(colMustChange)
	w.password = c.password()
	w.methods = c.methods(o)
	return w, c.bad
}

// checker keeps the first fault of a row.
type checker struct {
	line   int
	values map[string]string
	bad    *BadRow
}

func (c *checker) refuse(column, reason string) {
	if c.bad == nil {
		c.bad = &BadRow{Line: c.line, Column: column, Reason: reason}
	}
}

func (c *checker) userID(domains []string) string {
	text, ok := c.values[colUserID]
	if !ok {
		c.refuse(colUserID, ReasonMissing)
		return ""
	}
	id := directory.NormalizeUserID(text)
	at := strings.LastIndexByte(id, '@')
	if at < 1 {
		c.refuse(colUserID, ReasonUserID)
		return ""
	}
	domain, ok := method.ASCIIDomain(id[at+1:])
	own := slices.ContainsFunc(domains, func(d string) bool {
		d, ok := method.ASCIIDomain(d)
		return ok && d == domain
	})
	if !ok || !own {
		c.refuse(colUserID, ReasonDomain)
	}
	return id
}

func (c *checker) text(column string) *string {
	v, ok := c.values[column]
	if !ok {
		return nil
	}
	v = strings.TrimSpace(v)
	if utf8.RuneCountInString(v) > maxText {
		c.refuse(column, ReasonTooLong)
	}
	if !showable(v) {
		c.refuse(column, ReasonText)
	}
	return &v
}

// showable refuses what would end a line or turn a text around on a page.
func showable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
	})
}

func (c *checker) language() *string {
	v, ok := c.values[colLanguage]
	if !ok {
		return nil
	}
	tag, err := language.Parse(strings.TrimSpace(v))
	if err != nil {
		c.refuse(colLanguage, ReasonType)
		return nil
	}
	s := tag.String()
	return &s
}

func (c *checker) groups() *[]string {
	v, ok := c.values[colGroups]
	if !ok {
		return nil
	}
	var names []string
	for _, name := range strings.Split(v, ";") {
		name = strings.TrimSpace(name)
		switch {
		case name == "" || slices.Contains(names, name):
			continue
		case !showable(name):
			c.refuse(colGroups, ReasonText)
		case utf8.RuneCountInString(name) > maxText || len(names) == maxGroups:
			c.refuse(colGroups, ReasonTooLong)
			return nil
		}
		names = append(names, name)
	}
	return &names
}

func (c *checker) source() *directory.Source {
	v, ok := c.values[colSource]
	if !ok {
		return nil
	}
	s := directory.Source(v)
	if s != directory.Managed && s != directory.External {
		c.refuse(colSource, ReasonType)
	}
	return &s
}

func (c *checker) yesNo(column string) *bool {
	v, ok := c.values[column]
	if !ok {
		return nil
	}
	var b bool
	switch strings.ToLower(strings.TrimSpace(v)) {
	case "true", "yes", "1":
		b = true
	case "false", "no", "0":
	default:
		c.refuse(column, ReasonType)
	}
	return &b
}

// password is never trimmed.
func (c *checker) password() string {
	v := c.values[colPassword]
	if v == "" {
		return ""
	}
	if password.LooksHashed(v) {
		if password.CheckImported(v) != nil {
			c.refuse(colPassword, ReasonPassword)
		}
		return v
	}
	if normalized, ok := password.Normalize(v); !ok {
		c.refuse(colPassword, ReasonPassword)
	} else if utf8.RuneCountInString(normalized) > maxText {
		c.refuse(colPassword, ReasonTooLong)
	}
	return v
}

func (c *checker) methods(o *org.Organization) []method.Method {
	var all []method.Method
	add := func(column string, k method.Kind, normalize func(string) (string, error)) {
		v, ok := c.values[column]
		if !ok {
			return
		}
		value, err := normalize(v)
		if err != nil {
			c.refuse(column, reasonOf(err))
			return
		}
		all = append(all, method.Method{Kind: k, Value: value, Proved: true, ProvedBy: method.ByAdministrator})
	}
	for _, k := range []method.Kind{method.Email, method.MobilePhone, method.OfficePhone} { // each column is called as its kind
		add(string(k), k, func(s string) (string, error) { return o.Contact(k, s) })
	}
	return all
}

func reasonOf(err error) string {
	var p *problem.Error
	if !errors.As(err, &p) {
		return ReasonType
	}
	switch p.Code {
	case problem.EmailInvalid:
		return ReasonEmail
	case problem.EmailOwnDomain:
		return ReasonEmailOwn
	case problem.PhoneInvalid:
		return ReasonPhone
	case problem.PhoneCost:
		return ReasonPhoneCost
	case problem.PhoneNotMobile:
		return ReasonPhoneNotMobile
	case problem.MethodLimit:
		return ReasonMethodLimit
	}
	return ReasonType
}
