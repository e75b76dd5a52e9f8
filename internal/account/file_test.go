package account

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/org"
)

var contoso = &org.Organization{Domains: []string{"contoso.com"}}

// read gives a file's good rows as "user_id", and its bad ones as text.
func read(f Format, text string) (good []string, bad []string) {
	in, err := open(strings.NewReader(text), f, columnNames)
	var file *FileError
	if errors.As(err, &file) {
		for _, b := range file.Rows {
			bad = append(bad, b.String())
		}
		return nil, bad
	}
	if err != nil {
		return nil, []string{err.Error()}
	}
	for {
		r, err := in.next()
		if errors.Is(err, io.EOF) {
			return good, bad
		}
		if err != nil {
			return good, append(bad, err.Error())
		}
		w, fault := check(r, contoso)
		if fault != nil {
			bad = append(bad, fault.String())
			continue
		}
		good = append(good, w.account.UserID)
	}
}

func TestFiles(t *testing.T) {
	for _, c := range []struct {
		name      string
		f         Format
		text      string
		good, bad string
	}{
		{"columns in any order", CSV, "email,user_id\na@gmail.com,a@contoso.com\n,b@contoso.com\n", "a@contoso.com b@contoso.com", ""},
		{"byte order mark and CRLF", CSV, "\ufeffuser_id,groups\r\nA@Contoso.com,x;y\r\n", "a@contoso.com", ""},
		{"a field over two lines", CSV, "user_id,display_name\n\"a@contoso.com\",\"A, \"\"the\"\" B\"\n", "a@contoso.com", ""},
		{"line of a row after a long one", CSV, "user_id,password\na@contoso.com,\"x\ny\"\nbad\n", "", "line 2, password: password; line 4: field-count"},
		{"unknown column", CSV, "user_id,shoe_size\na@contoso.com,42\n", "", "line 1, shoe_size: unknown-column"},
		{"column in another case", CSV, "user_id,Email\n", "", "line 1, Email: unknown-column"},
		{"column twice", CSV, "user_id,email,email\n", "", "line 1, email: column-twice"},
		{"no user_id", CSV, "email\na@gmail.com\n", "", "line 1, user_id: missing"},
		{"empty", CSV, "", "", "line 1: header"},
		{"fields missing", CSV, "user_id,email\na@contoso.com\nb@contoso.com,\n", "b@contoso.com", "line 2: field-count"},
		{"quotes", CSV, "user_id,email\na\"b@contoso.com,\nb@contoso.com,\n", "b@contoso.com", "line 2: syntax"},
		{"another domain", CSV, "user_id\na@fabrikam.com\na@sub.contoso.com\n", "", "line 2, user_id: domain; line 3, user_id: domain"},
		{"no domain", CSV, "user_id\nalain\n", "", "line 2, user_id: user-id"},
		{"look-alike", CSV, "user_id\nmi\u212ae@contoso.com\n", "", "line 2, user_id: user-id"},
		{"own mailbox", CSV, "user_id,email\na@contoso.com,b@contoso.com\n", "", "line 2, email: email-own-domain"},
		{"bad mailbox", CSV, "user_id,email\na@contoso.com,b@\n", "", "line 2, email: email"},
		{"phone without country", CSV, "user_id,mobile_phone\na@contoso.com,0812345678\n", "", "line 2, mobile_phone: phone"},
		{"phones", CSV, "user_id,mobile_phone,office_phone\na@contoso.com,+62 812 3456 789,+62 21 555 0100x12\n", "a@contoso.com", ""},
		{"switches", CSV, "user_id,disabled,must_change\na@contoso.com,yes,0\nb@contoso.com,maybe,\n", "a@contoso.com", "line 3, disabled: type"},
		{"source", CSV, "user_id,password_source\na@contoso.com,external\nb@contoso.com,elsewhere\n", "a@contoso.com", "line 3, password_source: type"},
		{"language", CSV, "user_id,language\na@contoso.com,id\nb@contoso.com,bahasa indonesia\n", "a@contoso.com", "line 3, language: type"},
		{"hash out of bounds", CSV, "user_id,password\na@contoso.com,\"$argon2id$v=19$m=4294967295,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g\"\n", "", "line 2, password: password"},
		{"a name that breaks a line", NDJSON, `{"user_id":"a@contoso.com","display_name":"a\nb"}`, "", "line 1, display_name: text"},
		{"a name that turns around", NDJSON, `{"user_id":"a@contoso.com","display_name":"a\u202eb"}`, "", "line 1, display_name: text"},
		{"a name with a line separator", NDJSON, `{"user_id":"a@contoso.com","display_name":"a\u2028b"}`, "", "line 1, display_name: text"},
		{"JSON", NDJSON, "{\"user_id\":\"a@contoso.com\",\"groups\":[\"x\",\"y\"],\"disabled\":true,\"email\":null}\n\n{\"user_id\":\"b@contoso.com\"}", "a@contoso.com b@contoso.com", ""},
		{"key twice", NDJSON, `{"user_id":"a@contoso.com","email":"a@gmail.com","email":"b@gmail.com"}`, "", "line 1, email: column-twice"},
		{"key in another case", NDJSON, `{"user_id":"a@contoso.com","EMAIL":"b@gmail.com"}`, "", "line 1, EMAIL: unknown-column"},
		{"unknown key", NDJSON, `{"user_id":"a@contoso.com","admin":true}`, "", "line 1, admin: unknown-column"},
		{"an array for a text", NDJSON, `{"user_id":["a@contoso.com"]}`, "", "line 1, user_id: type"},
		{"a number for a switch", NDJSON, `{"user_id":"a@contoso.com","disabled":1}`, "", "line 1, disabled: type"},
		{"true for a text", NDJSON, `{"user_id":"a@contoso.com","email":true}`, "", "line 1, email: type"},
		{"a group with a semicolon", NDJSON, `{"user_id":"a@contoso.com","groups":["a;b"]}`, "", "line 1, groups: type"},
		{"two objects on a line", NDJSON, `{"user_id":"a@contoso.com"}{"user_id":"b@contoso.com"}`, "", "line 1: syntax"},
		{"an array", NDJSON, `[]`, "", "line 1: syntax"},
		{"cut off", NDJSON, `{"user_id":"a@contoso.com"`, "", "line 1: syntax"},
		{"broken UTF-8", NDJSON, "{\"user_id\":\"a\xff@contoso.com\"}", "", "line 1: syntax"},
		{"a line too long", NDJSON, `{"user_id":"` + strings.Repeat("a", maxLine) + "\"}\n{\"user_id\":\"b@contoso.com\"}", "b@contoso.com", "line 1: too-long"},
		{"another format", "xml", "<a/>", "", `account file: unknown format "xml"; use csv or ndjson`},
	} {
		t.Run(c.name, func(t *testing.T) {
			good, bad := read(c.f, c.text)
			if g, b := strings.Join(good, " "), strings.Join(bad, "; "); g != c.good || b != c.bad {
				t.Errorf("good %q, bad %q", g, b)
			}
		})
	}
}

func TestRowKeepsWhatIsMeant(t *testing.T) {
	w, bad := check(record{line: 2, values: map[string]string{
		colUserID: "A@contoso.com", colPassword: "  spaces stay  ", colGroups: " Staff ; Finance;;Staff", colMobile: "+62 (812) 345-6789",
	}}, contoso)
	if bad != nil {
		t.Fatal(bad)
	}
	if w.password != "  spaces stay  " {
		t.Errorf("password %q", w.password)
	}
	if g := *w.account.Groups; !slices.Equal(g, []string{"Staff", "Finance"}) {
		t.Errorf("groups %q", g)
	}
	if w.account.DisplayName != nil || w.account.Disabled != nil {
		t.Error("columns that are not there say something")
	}
	if m := w.methods; len(m) != 1 || m[0].Value != "+628123456789" || !m[0].Proved || m[0].ProvedBy != "administrator" {
		t.Errorf("methods %+v", m)
	}
}

func FuzzFile(f *testing.F) {
	f.Add("user_id,email\na@contoso.com,a@gmail.com\n", true)
	f.Add(`{"user_id":"a@contoso.com","groups":["x"]}`, false)
	f.Add("\ufeffuser_id\n\"", true)
	f.Fuzz(func(t *testing.T, text string, isCSV bool) {
		format := NDJSON
		if isCSV {
			format = CSV
		}
		good, bad := read(format, text)
		for _, id := range good {
			if !strings.HasSuffix(id, "@contoso.com") || strings.ContainsAny(id, "\x00\r\n") {
				t.Fatalf("row %q is good", id)
			}
		}
		for _, b := range bad {
			if len(b) > 300 {
				t.Fatalf("%d bytes about one row", len(b))
			}
		}
	})
}
