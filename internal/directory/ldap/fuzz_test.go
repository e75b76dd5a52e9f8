package ldap_test

import (
	"errors"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	library "github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/directory/ldap"
)

// FuzzFilter: whatever is typed, the filter has the shape of its template and
// asks for exactly what was typed.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"alain@contoso.com", "*", "*)(uid=*))(|(uid=*", `\2a`, "\x00", "\xff", "é", "{user_id}", `a\`, "(&", "=~<>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		for _, template := range []string{"(mail={user_id})", "(&(objectClass=person)(|(mail={user_id})(uid={user_id})))"} {
			text := ldap.UserIDFilter(template, typed)
			packet, err := library.CompileFilter(text)
			if typed == "" {
				continue // nobody's user ID is empty: NormalizeUserID stops it before
			}
			if err != nil {
				t.Fatalf("%q makes no filter: %v", typed, err)
			}
			plain, err := library.CompileFilter(ldap.UserIDFilter(template, "x"))
			if err != nil {
				t.Fatal(err)
			}
			if shape(t, packet.Bytes()) != shape(t, plain.Bytes()) {
				t.Fatalf("%q makes another filter: %s", typed, text)
			}
			back, err := library.DecompileFilter(packet)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Count(back, "=*)") > 0 {
				t.Fatalf("%q asks for anybody: %s", typed, back)
			}
		}
	})
}

// shape is a filter without its values.
func shape(t *testing.T, bytes []byte) string {
	t.Helper()
	text, err := library.DecompileFilter(ber.DecodePacket(bytes))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	value := false
	for _, r := range text {
		switch {
		case r == '=' && !value:
			value = true
			out.WriteRune(r)
		case r == ')' && value:
			value = false
			out.WriteRune(r)
		case !value:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// FuzzRefusal: whatever a server says, a refusal is one of the words of the room.
func FuzzRefusal(f *testing.F) {
	for _, s := range []string{
		"Password is in history of old passwords", "Password is not being changed from existing value", "Password is too young to change",
		"Password fails quality checking policy", "Password is too short for policy", "invalid password syntax", "within password minimum age", "",
	} {
		f.Add(uint16(library.LDAPResultConstraintViolation), s)
	}
	f.Add(uint16(50), "no write access to parent")
	f.Add(uint16(53), "unauthenticated bind (DN with no password) disallowed")
	rules := map[string]bool{
		directory.RuleHistory: true, directory.RuleMinimumAge: true, directory.RuleLength: true, directory.RuleComplexity: true, directory.RuleOther: true,
	}
	f.Fuzz(func(t *testing.T, code uint16, said string) {
		from := &library.Error{ResultCode: code, Err: errors.New(said)}
		err := ldap.Refusal(from)
		if err == nil {
			t.Fatal("a refusal became a success")
		}
		r, refused := directory.Refused(err)
		known := errors.Is(err, directory.ErrRights) || errors.Is(err, directory.ErrUnavailable) || errors.Is(err, directory.ErrNotFound)
		if refused && !rules[r.Rule] || !refused && !known {
			t.Fatalf("%d %q became %v", code, said, err)
		}
		if result, err := ldap.Judge(nil, from); err == nil && result.Right() {
			t.Fatalf("a refused bind (%d %q) counts as a right password", code, said)
		}
	})
}

func TestWhatServersSayInWords(t *testing.T) {
	for said, rule := range map[string]string{
		"Password is in history of old passwords":                              directory.RuleHistory,
		"Password is not being changed from existing value":                    directory.RuleHistory,
		"Password is too young to change":                                      directory.RuleMinimumAge,
		"Password fails quality checking policy":                               directory.RuleComplexity,
		"Password is too short for policy":                                     directory.RuleLength,
		"password in history":                                                  directory.RuleHistory,    // 389 Directory Server
		"within password minimum age":                                          directory.RuleMinimumAge, // 389 Directory Server
		"invalid password syntax: password must be at least 8 characters long": directory.RuleLength,
		"invalid password syntax":                                              directory.RuleComplexity,
		"Password does not contain enough character classes":                   directory.RuleComplexity, // FreeIPA
		"Too soon to change password":                                          directory.RuleMinimumAge, // FreeIPA
		"Password is too short":                                                directory.RuleLength,     // FreeIPA
		"Password reuse not permitted":                                         directory.RuleHistory,    // FreeIPA
		"something nobody ever wrote":                                          directory.RuleOther,
	} {
		err := ldap.Refusal(&library.Error{ResultCode: library.LDAPResultConstraintViolation, Err: errors.New(said)})
		if r, ok := directory.Refused(err); !ok || r.Rule != rule {
			t.Errorf("%q: %v, want %s", said, err, rule)
		}
	}
}

// FuzzAccessRules: whatever a server gives as a security descriptor is read or refused,
// and no more rules come out than it counts.
func FuzzAccessRules(f *testing.F) {
	self := []byte{1, 1, 0, 0, 0, 0, 0, 5, 10, 0, 0, 0}                                      // S-1-5-10
	rule := append([]byte{5, 0, 56 - 16, 0, 0x20, 0, 0, 0, 1, 0, 0, 0}, make([]byte, 16)...) // may write one attribute
	list := append([]byte{4, 0, 48, 0, 1, 0, 0, 0}, append(rule, self...)...)                // one rule
	head := []byte{1, 0, 4, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0}           // self-relative, with an access list behind it
	whole := append(head, list...)
	if n, err := ldap.AccessRules(whole); n != 1 || err != nil {
		f.Fatalf("%d rules, %v", n, err)
	}
	f.Add(whole)
	f.Add(head)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, descriptor []byte) {
		n, err := ldap.AccessRules(descriptor)
		if err != nil && n > 0 || n > len(descriptor)/16 {
			t.Errorf("%d rules of %d bytes, %v", n, len(descriptor), err)
		}
	})
}
