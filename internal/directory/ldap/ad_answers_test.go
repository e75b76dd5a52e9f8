package ldap

import (
	"errors"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/directory"
)

func answer(code uint16, text string) error { return ldap.NewError(code, errors.New(text)) }

const (
	windowsBind = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data "
	sambaBind   = "80090308: LdapErr: DSID-0C0903A9, comment: AcceptSecurityContext error, data "
	samba52D    = "0000052D: Constraint violation - check_password_restrictions: "
	atrErr      = ": AtrErr: DSID-03191083, #1:\n\t0: 0000052D: DSID-03191083, problem 1005 (CONSTRAINT_ATT_TYPE), data 0, Att 9005a (unicodePwd)\n\x00"
)

func TestWhatADomainControllerSaysOfABind(t *testing.T) {
	invalid := uint16(ldap.LDAPResultInvalidCredentials)
	for _, c := range []struct {
		name string
		err  error
		want directory.CheckResult
		is   error
	}{
		{"right", nil, directory.OK, nil},
		{"wrong", answer(invalid, windowsBind+"52e, v4563\x00"), directory.Wrong, nil},
		{"nobody", answer(invalid, windowsBind+"525, v4563\x00"), directory.Wrong, nil},
		{"hours", answer(invalid, windowsBind+"530, v4563\x00"), directory.Disabled, nil},
		{"workstation", answer(invalid, windowsBind+"531, v4563\x00"), directory.Disabled, nil},
		{"expired", answer(invalid, windowsBind+"532, v4563\x00"), directory.Expired, nil},
		{"disabled", answer(invalid, windowsBind+"533, v4563\x00"), directory.Disabled, nil},
		{"account expired", answer(invalid, windowsBind+"701, v4563\x00"), directory.Disabled, nil},
		{"must change", answer(invalid, windowsBind+"773, v4563\x00"), directory.MustChange, nil},
		{"locked", answer(invalid, windowsBind+"775, v4563\x00"), directory.Locked, nil},
		{"restricted", answer(invalid, windowsBind+"52f, v4563\x00"), directory.Disabled, nil},
		{"Samba", answer(invalid, sambaBind+"775, v1db1"), directory.Locked, nil},
		{"capital letters", answer(invalid, sambaBind+"52E, v1db1"), directory.Wrong, nil},
		{"no server to ask", answer(invalid, windowsBind+"51f, v4563\x00"), "", directory.ErrUnavailable},
		{"a new code lets nobody in", answer(invalid, windowsBind+"7ff, v4563\x00"), directory.Wrong, nil},
		{"no code", answer(invalid, ""), directory.Wrong, nil},
		{"the code of something else", answer(invalid, "00000773: something, data 52e"), directory.Wrong, nil},
		{"too long a code", answer(invalid, "data 100000533, v1"), directory.Wrong, nil},
		{"no such entry", answer(ldap.LDAPResultNoSuchObject, ""), directory.Wrong, nil},
		{"busy", answer(ldap.LDAPResultBusy, ""), "", directory.ErrUnavailable},
		{"no encryption", answer(ldap.LDAPResultStrongAuthRequired, "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on integrity checking"), "", directory.ErrRights},
		{"cut", ldap.NewError(ldap.ErrorNetwork, errors.New("reset")), "", directory.ErrUnavailable},
	} {
		got, err := adJudge(c.err)
		if got != c.want || !errors.Is(err, c.is) || c.is == nil && err != nil {
			t.Errorf("%s: %q, %v; want %q, %v", c.name, got, err, c.want, c.is)
		}
	}
}

func TestWhatADomainControllerSaysOfAPassword(t *testing.T) {
	constraint, unwilling := uint16(ldap.LDAPResultConstraintViolation), uint16(ldap.LDAPResultUnwillingToPerform)
	for _, c := range []struct {
		name string
		err  error
		rule string
		is   error
	}{
		{"Samba: length", answer(constraint, samba52D+"the password is too short. It should be equal or longer than 7 characters!"), directory.RuleLength, nil},
		{"Samba: complexity", answer(constraint, samba52D+"the password does not meet the complexity criteria!"), directory.RuleComplexity, nil},
		{"Samba: history", answer(constraint, samba52D+"the password was already used (in history)!"), directory.RuleHistory, nil},
		{"Samba: the same", answer(constraint, samba52D+"the password was already used (previous password)!"), directory.RuleHistory, nil},
		{"Samba: age", answer(constraint, samba52D+"password is too young to change!"), directory.RuleMinimumAge, nil},
		{"Samba: wrong old", answer(constraint, "00000056: Constraint violation - check_password_restrictions: The old password specified doesn't match!"), "", directory.ErrWrongPassword},
		{"Samba: locked", answer(constraint, "00000775: Password change not permitted, account locked out! at ../../source4/dsdb/samdb/ldb_modules/password_hash.c:3929:setup_io"), "", directory.ErrWrongPassword},
		{"Samba: rights", answer(ldap.LDAPResultInsufficientAccessRights, "error in module acl: insufficient access rights during LDB_MODIFY (50)"), "", directory.ErrRights},
		{"Windows: change refused", answer(constraint, "0000052D"+atrErr), directory.RuleOther, nil},
		{"Windows: reset refused", answer(unwilling, "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\x00"), directory.RuleOther, nil},
		{"Windows: wrong old", answer(constraint, "00000056"+atrErr), "", directory.ErrWrongPassword},
		{"Windows: rights", answer(ldap.LDAPResultInsufficientAccessRights, "00000005: SecErr: DSID-031A1190, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\x00"), "", directory.ErrRights},
		{"Windows: property rights", answer(ldap.LDAPResultInsufficientAccessRights, "00002098: SecErr: DSID-03150F94, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\x00"), "", directory.ErrRights},
		{"Windows: not encrypted", answer(unwilling, "0000001F: SvcErr: DSID-031A1254, problem 5003 (WILL_NOT_PERFORM), data 0\n\x00"), "", directory.ErrRights},
		{"Windows: busy", answer(ldap.LDAPResultBusy, "0000200E: SvcErr: DSID-0"), "", directory.ErrUnavailable},
		{"gone", answer(ldap.LDAPResultNoSuchObject, "0000208D: NameErr: DSID-03100238, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'OU=People'\n\x00"), "", directory.ErrNotFound},
		{"a filter's own words", answer(constraint, "the password is on a list"), directory.RuleOther, nil},
		{"unwilling for another reason", answer(unwilling, "00002035: setup_io: it's not allowed to set the NT hash password directly'"), "", directory.ErrRights},
		{"cut", ldap.NewError(ldap.ErrorNetwork, errors.New("reset")), "", directory.ErrUnavailable},
	} {
		err := adRefusal(c.err)
		r, refused := directory.Refused(err)
		if refused != (c.rule != "") || refused && r.Rule != c.rule || !refused && !errors.Is(err, c.is) {
			t.Errorf("%s: %v; want rule %q, %v", c.name, err, c.rule, c.is)
		}
	}
	if adRefusal(nil) != nil {
		t.Error("a password that was taken is refused")
	}
}

func FuzzAnswersOfADomainController(f *testing.F) {
	for _, text := range []string{windowsBind + "775, v4563\x00", samba52D + "too short", "0000052D" + atrErr, "data ", "FFFFFFFF:"} {
		f.Add(uint16(49), text)
		f.Add(uint16(19), text)
	}
	f.Fuzz(func(t *testing.T, code uint16, text string) {
		err := answer(code, text)
		if result, fault := adJudge(err); (result == "") == (fault == nil) || result == directory.OK {
			t.Fatalf("%d %q: %q, %v", code, text, result, fault)
		}
		if code != 49 {
			if result, _ := adJudge(err); result.Right() {
				t.Fatalf("%d %q is a right password", code, text)
			}
		}
		if adRefusal(err) == nil {
			t.Fatalf("%d %q is no refusal", code, text)
		}
	})
}
