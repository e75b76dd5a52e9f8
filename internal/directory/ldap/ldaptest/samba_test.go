package ldaptest

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// The service account that tests use may do what is delegated and nothing else,
// so that a test that passes with it passes in an organization that delegated
// what the documentation says.
func TestTheServiceAccountHasTheLeastRights(t *testing.T) {
	s := StartSamba(t)
	with, without := s.Unit(t), s.UnitWithoutRights(t)
	user := SambaUser{Password: "First Passw0rd"}
	user.UserID = "alain@contoso.com"
	inside := s.User(t, with, user)
	user.UserID = "budi@contoso.com"
	outside := s.User(t, without, user)
	c, err := s.bind(s.BindDN, s.BindPassword)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, x := range []struct {
		dn, attribute, value string
		may                  bool
	}{
		{inside, "unicodePwd", quoted("Second Passw0rd"), true},
		{inside, "lockoutTime", "0", true},
		{inside, "pwdLastSet", "0", true},
		{inside, "mail", "other@contoso.com", false},
		{inside, "userAccountControl", "514", false},
		{outside, "unicodePwd", quoted("Second Passw0rd"), false},
		{outside, "lockoutTime", "0", false},
		{s.admin.dn, "unicodePwd", quoted("Second Passw0rd"), false},
	} {
		m := ldap.NewModifyRequest(x.dn, nil)
		m.Replace(x.attribute, []string{x.value})
		err := c.Modify(m)
		if x.may && err != nil || !x.may && !ldap.IsErrorWithCode(err, ldap.LDAPResultInsufficientAccessRights) {
			t.Errorf("%s of %s: %v; may: %v", x.attribute, x.dn, err, x.may)
		}
	}
}

// Two processes' controllers do not meet.
func TestTheControllerHasAnAddressOfItsOwn(t *testing.T) {
	s := StartSamba(t)
	if again := StartSamba(t); again != s {
		t.Error("one process starts two")
	}
	var other Samba
	if err := other.chooseAddress(); err != nil {
		t.Fatal(err)
	}
	if other.Address == s.Address {
		t.Errorf("%s was given twice", s.Address)
	}
}
