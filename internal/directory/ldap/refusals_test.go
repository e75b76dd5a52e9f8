package ldap

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
	"kunci.dev/kunci/internal/i18n"
	"kunci.dev/kunci/internal/org"
)

// refusalsFile is the table for administrators and helpdesks.
const refusalsFile = "../../../docs/directories/refusals.md"

// response is one answer of a server, as people write it down.
type response struct {
	code    uint16
	control int8 // of the password policy; -1 for none
	text    string
}

func (s response) String() string {
	var parts []string
	if s.code != 0 && s.code != uint16(ldap.ErrorNetwork) {
		parts = append(parts, fmt.Sprint(s.code))
	}
	if s.control >= 0 {
		parts = append(parts, "control "+ldap.BeheraPasswordPolicyErrorMap[s.control])
	}
	if s.text != "" {
		parts = append(parts, "`"+strings.NewReplacer("|", "\\|", "\n", " ", "\t", "", "\x00", "").Replace(s.text)+"`")
	}
	return strings.Join(parts, ", ")
}

func (s response) err() error {
	if s.code == 0 {
		return nil
	}
	e := &ldap.Error{ResultCode: s.code, Err: errors.New(s.text)}
	if s.control >= 0 {
		envelope, controls := ber.NewSequence(""), ber.NewSequence("")
		control := ber.NewSequence("")
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, ldap.ControlTypeBeheraPasswordPolicy, ""))
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string([]byte{0x30, 3, 0x81, 1, byte(s.control)}), ""))
		controls.AppendChild(control)
		envelope.AppendChild(ber.NewSequence(""))
		envelope.AppendChild(ber.NewSequence(""))
		envelope.AppendChild(controls)
		e.Packet = envelope
	}
	return e
}

func (s response) controls() []ldap.Control {
	if s.control < 0 {
		return nil
	}
	return []ldap.Control{&ldap.ControlBeheraPasswordPolicy{Expire: -1, Grace: -1, Error: s.control}}
}

// row is a line of the table: what the server says, and what Kunci makes of it.
type row struct {
	response
	means string // for whom the answer alone says little
}

// none is an answer without a password policy control.
func none(code uint16, text, means string) row { return row{response{code, -1, text}, means} }

func with(code uint16, control int8, text, means string) row {
	return row{response{code, control, text}, means}
}

// What all servers of LDAP may answer to a write.
var everywhere = []row{
	none(50, "", "a right is missing; `kunci doctor` says which"),
	none(51, "", "too much to do"), none(52, "", "going down"), none(80, "", "a fault of the server's"),
	none(32, "", "the account is gone"), none(uint16(ldap.ErrorNetwork), "", "nothing in time, or the connection was cut; what became of it is looked for"),
}

// refusalTables are the answers of each kind at sign-in and when a password is set.
// The texts are the servers' own.
func refusalTables() []struct {
	title       string
	judge       func(response) (directory.CheckResult, error)
	refuse      func(error) error
	signs, sets []row
} {
	d := &Directory{service: New(Deps{Now: func() time.Time { return time.Unix(1_790_000_000, 0) }})}
	d.set = org.DirectoryConfig{WriteBack: true}
	speaks := func(name string) func(response) (directory.CheckResult, error) {
		return func(s response) (directory.CheckResult, error) {
			return dialects[name](d).judge(person{}, s.controls(), s.err())
		}
	}
	policy := adPolicy{minLength: 8, complex: true, history: 24, minAge: 24 * time.Hour}
	windows := func(err error) error { // Windows keeps the rule to itself: it is found by comparing
		err = adRefusal(err)
		if r, ok := directory.Refused(err); ok && r.Rule == directory.RuleOther && strings.HasPrefix(saidIn(r.Cause), "0000052D: SvcErr") {
			rule, args := policy.broken("Aa1.", about{account: "adupont", displayName: "Alain Dupont"})
			return &directory.RefusedError{Rule: rule, Args: args, Cause: r.Cause}
		}
		return err
	}
	return []struct {
		title       string
		judge       func(response) (directory.CheckResult, error)
		refuse      func(error) error
		signs, sets []row
	}{
		{"OpenLDAP", speaks(org.OpenLDAP), refusal, []row{
			none(49, "", "wrong, or no such account"), with(49, accountLocked, "", "locked, whatever the password"), with(49, passwordExpired, "", "right, and expired"),
			with(0, changeAfterReset, "", "right, to be changed"), none(48, "", "the account has no password"), none(53, "", "set up wrongly"), none(51, "", "too much to do"),
		}, []row{
			with(19, passwordInHistory, "Password is in history of old passwords", ""), none(19, "Password is not being changed from existing value", ""),
			with(19, passwordTooYoung, "Password is too young to change", ""), with(19, passwordTooShort, "Password fails quality checking policy", "shorter than `pwdMinLength`"),
			with(19, insufficientPasswordQuality, "Password fails quality checking policy", "the check module says no"), none(19, "", "no reason given"),
			with(19, mustSupplyOldPassword, "Must supply old password to be changed as well as new one", "`pwdSafeModify`: the service account is no manager"),
			with(19, passwordModNotAllowed, "User alteration of password is not allowed", ""), none(53, "operation restricted", "asked of a replica: the next server is asked first"),
		}},
		{"389 Directory Server", speaks(org.DS389), ds389Refusal, []row{
			none(49, "", "wrong, or no such account"), with(19, accountLocked, "Exceed password retry limit. Please try later.", "locked, whatever the password"),
			with(49, passwordExpired, "password expired!", "right, and expired"), with(0, changeAfterReset, "", "right, to be changed"),
			none(53, "Account inactivated. Contact system administrator.", "inactive, whatever the password"), none(51, "", "too much to do"),
		}, []row{
			with(19, insufficientPasswordQuality, "invalid password syntax - password must be at least 8 characters long", ""), none(19, "password in history", ""),
			none(19, "within password minimum age", ""), with(19, insufficientPasswordQuality, "invalid password syntax - password must contain at least 1 digit characters", ""),
			with(19, insufficientPasswordQuality, "invalid password syntax - password based off of user entry", ""), none(19, "", "no reason given"),
		}},
		{"FreeIPA", speaks(org.FreeIPA), func(err error) error { return ipaRefusal(ipaPolicy{minLength: 8, history: 5, kinds: 3}, err) }, []row{
			none(49, "", "wrong, or no such account"), with(49, passwordExpired, "Password is expired.", "out of its last sign-ins, whatever the password"),
			none(53, "Too many failed logins.", "locked, whatever the password"), none(53, "Entry permanently locked.", "the same"), none(53, "Account inactivated. Contact system administrator.", "inactive, whatever the password"),
			with(0, changeAfterReset, "", "right, to be changed"), none(51, "", "too much to do"),
		}, []row{
			none(19, "Password is too short", ""), none(19, "Password is too simple", ""), none(19, "Password reuse not permitted", ""), none(19, "Too soon to change password", ""),
			none(19, "Password contains a monotonic sequence", ""), none(19, "Password is based on a dictionary word", ""), none(19, "Password is a palindrone", ""),
			none(19, "Password contains username", ""), none(19, "clear-text password is too long (max 1000 chars)!", ""), none(19, "Password does not meet the policy requirements", ""),
		}},
		{"Active Directory", speaks(org.ActiveDirectory), windows, []row{
			none(49, "data 52e", "wrong"), none(49, "data 525", "no such account"), none(49, "data 775", "locked, whatever the password"), none(49, "data 532", "right, and expired"),
			none(49, "data 773", "right, to be changed"), none(49, "data 533", "right, and disabled"), none(49, "data 701", "right, and the account ended"), none(49, "data 530", "right, and not at this hour"),
			none(49, "data 531", "right, and not from here"), none(49, "data 52f", "right, and restricted"), none(49, "data 569", "right, and this kind of sign-in is not granted"),
			none(49, "data 51f", "no controller to ask"), none(49, "data 7ff", "anything else: a code that is not known lets nobody in"),
		}, []row{
			none(19, "0000052D: … the password is too short. It should be equal or longer than 7 characters!", "Samba"), none(19, "0000052D: … the password does not meet the complexity criteria!", "Samba"),
			none(19, "0000052D: … the password was already used (in history)!", "Samba"), none(19, "0000052D: … password is too young to change!", "Samba"),
			none(53, "0000052D: SvcErr: … problem 5003 (WILL_NOT_PERFORM)", "Windows, one code for every rule: the rule is found by comparing, here the length"),
			none(19, "the password is on a list", "a password filter's own words"), none(19, "00000056: …", "at a change: the old password is wrong"), none(19, "00000775: …", "at a change: locked"),
			none(50, "00000005: SecErr: … problem 4003 (INSUFF_ACCESS_RIGHTS)", "the right to reset is missing"), none(50, "00002098: SecErr: … problem 4003 (INSUFF_ACCESS_RIGHTS)", "the right to write a property is missing"),
			none(53, "0000001F: SvcErr: … problem 5003 (WILL_NOT_PERFORM)", "the connection is not encrypted"), none(51, "0000200E: SvcErr: …", "busy"),
		}},
	}
}

// sentence is what the person reads, as the pages find it.
func sentence(lang, key string, args map[string]any) string {
	all := map[string]any{"org": "Contoso"}
	for name, value := range args {
		all[name] = value
	}
	return i18n.For(lang).TMap(key, all)
}

// atSignIn is the catalogue key of what a sign-in answers.
func atSignIn(result directory.CheckResult, err error) string {
	switch {
	case errors.Is(err, directory.ErrUnavailable):
		return "problem.directory-unavailable"
	case err != nil:
		return "problem.directory-refused"
	case result == directory.Disabled:
		return "problem.account-disabled"
	case result == directory.Expired, result == directory.MustChange:
		return "change.must"
	}
	return "problem.signin-wrong" // for a lock too
}

// atReset is the catalogue key, with its arguments, of what a new password meets.
func atReset(err error) (string, map[string]any) {
	if r, ok := directory.Refused(err); ok {
		return "password.refused." + r.Rule, r.Args
	}
	switch {
	case errors.Is(err, directory.ErrUnavailable):
		return "reset.problem.directory-unavailable.text", nil
	case errors.Is(err, directory.ErrNotFound):
		return "reset.problem.not-verified.text", nil
	case errors.Is(err, directory.ErrWrongPassword):
		return "problem.password-wrong", nil
	}
	return "reset.problem.directory-refused.text", nil
}

// The table of refusals in the documentation is what the code makes of the servers'
// answers, in both languages.
func TestTheTableOfRefusalsIsWhatPeopleRead(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What a directory refuses, and what the person reads\n\nMade by `KUNCI_WRITE=yes go test -run TheTableOfRefusals ./internal/directory/ldap/` from what Kunci makes of each answer.\n" +
		"An answer that is given whatever the password was is told to nobody ([0035](../decisions/0035-locks-and-crashes-of-outside-directories.md)).\n")
	for _, s := range refusalTables() {
		for _, part := range []struct {
			title string
			rows  []row
			key   func(row) (string, map[string]any)
		}{
			{"at sign-in", s.signs, func(r row) (string, map[string]any) {
				result, err := s.judge(r.response)
				if err == nil && result == "" || err != nil && result != "" {
					t.Errorf("%s, %s: %q, %v", s.title, r, result, err)
				}
				return atSignIn(result, err), nil
			}},
			{"when a password is set", append(s.sets, everywhere...), func(r row) (string, map[string]any) { return atReset(s.refuse(r.err())) }},
		} {
			fmt.Fprintf(&b, "\n## %s, %s\n\n| it says | which is | the person reads | Indonesian |\n|---|---|---|---|\n", s.title, part.title)
			for _, r := range part.rows {
				key, args := part.key(r)
				english, indonesian := sentence("en", key, args), sentence("id", key, args)
				if english == key || indonesian == key || english == indonesian || strings.Contains(english+indonesian, "{{") {
					t.Errorf("%s, %s: %s is %q, %q", s.title, r, key, english, indonesian)
				}
				fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.response, r.means, english, indonesian)
			}
		}
	}
	b.WriteString("\n## Any of them\n\n| what happens | the person reads | Indonesian |\n|---|---|---|\n")
	short := fmt.Errorf("%w: %w", directory.ErrRights, errCutShort)
	reset, _ := atReset(short)
	for _, r := range []struct {
		what string
		keys []string
	}{
		{"the right password is expired or to be changed, and is not kept here (`write_back: false`, `password_source`)", []string{"change.elsewhere.must", "change.elsewhere.where"}},
		{"4 or 11 while groups are read: there are more than the server gives; at sign-in", []string{atSignIn("", short)}},
		{"the same, at a reset", []string{reset}},
	} {
		fmt.Fprintf(&b, "| %s |", r.what)
		for _, lang := range []string{"en", "id"} {
			for _, key := range r.keys {
				fmt.Fprintf(&b, " %s", sentence(lang, key, nil))
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	if os.Getenv("KUNCI_WRITE") == "yes" {
		if err := os.WriteFile(refusalsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(refusalsFile)
	if err != nil || string(written) != b.String() {
		t.Errorf("%s is not what the code does (%v); renew it: KUNCI_WRITE=yes go test -run TheTableOfRefusals ./internal/directory/ldap/", refusalsFile, err)
	}
}
