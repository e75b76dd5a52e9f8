package ldaptest

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"kunci.dev/kunci/internal/org"
)

// Where FreeIPA keeps people, groups and what Kunci signs in with.
const (
	IPAPeople  = "cn=users,cn=accounts," + Suffix
	IPAGroups  = "cn=groups,cn=accounts," + Suffix
	IPAService = "uid=kunci,cn=sysaccounts,cn=etc," + Suffix
	IPAPolicy  = "cn=global_policy,cn=CONTOSO.COM,cn=kerberos," + Suffix
	// IPAStaged and IPADeleted hold people who are not there yet, and who are not any more.
	IPAStaged  = "cn=staged users," + ipaAside
	IPADeleted = "cn=deleted users," + ipaAside

	ipaAside = "cn=accounts,cn=provisioning," + Suffix

	ipaTime = "20060102150405Z"
)

// IPARights are what the permissions of docs/directories/freeipa.md come to, and
// what every FreeIPA gives to whoever signed in.
var IPARights = []string{
	`(targetattr!="userPassword || krbPrincipalKey || aci")(version 3.0; acl "reading"; allow (read,search,compare) userdn="ldap:///` + IPAService + `";)`,
	`(targetattr="userPassword || krbPrincipalKey")(version 3.0; acl "Search existence of password and kerberos keys"; allow (search) userdn="ldap:///all";)`,
	`(targetattr="userPassword || krbPrincipalKey")(version 3.0; acl "people change their own"; allow (write) userdn="ldap:///self";)`,
	`(targetattr="krbPrincipalKey || userPassword || krbPasswordExpiration")(version 3.0; acl "System: Change User password"; allow (write) userdn="ldap:///` + IPAService + `";)`,
	`(targetattr="krbLastAdminUnlock || krbLoginFailedCount || nsAccountLock")(version 3.0; acl "System: Unlock User"; allow (write) userdn="ldap:///` + IPAService + `";)`,
}

// ipaSchema is the part of FreeIPA's schema that Kunci reads, by its names and numbers.
var ipaSchema = func() string {
	var b strings.Builder
	b.WriteString("dn: cn=schema\n")
	for _, a := range []struct{ oid, name, rest string }{
		{"2.16.840.1.113730.3.8.3.1", "ipaUniqueID", "EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15"},
		{"2.16.840.1.113730.3.8.11.40", "ipaUserAuthType", "EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15"},
		{"2.16.840.1.113719.1.301.4.36.1", "krbPwdPolicyReference", "EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 SINGLE-VALUE"},
		{"2.16.840.1.113719.1.301.4.39.1", "krbPrincipalKey", "EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40"},
	} {
		fmt.Fprintf(&b, "attributeTypes: ( %s NAME '%s' %s )\n", a.oid, a.name, a.rest)
	}
	for oid, name := range map[string]string{
		"2.16.840.1.113719.1.301.4.6.1": "krbPrincipalExpiration", "2.16.840.1.113719.1.301.4.37.1": "krbPasswordExpiration",
		"2.16.840.1.113719.1.301.4.45.1": "krbLastPwdChange", "2.16.840.1.113719.1.301.4.49.1": "krbLastFailedAuth", "1.3.6.1.4.1.5322.21.2.5": "krbLastAdminUnlock",
	} {
		fmt.Fprintf(&b, "attributeTypes: ( %s NAME '%s' EQUALITY generalizedTimeMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.24 SINGLE-VALUE )\n", oid, name)
	}
	for oid, name := range map[string]string{
		"2.16.840.1.113719.1.301.4.30.1": "krbMaxPwdLife", "2.16.840.1.113719.1.301.4.31.1": "krbMinPwdLife", "2.16.840.1.113719.1.301.4.32.1": "krbPwdMinDiffChars",
		"2.16.840.1.113719.1.301.4.33.1": "krbPwdMinLength", "2.16.840.1.113719.1.301.4.34.1": "krbPwdHistoryLength", "1.3.6.1.4.1.5322.21.2.1": "krbPwdMaxFailure",
		"1.3.6.1.4.1.5322.21.2.3": "krbPwdLockoutDuration", "2.16.840.1.113719.1.301.4.50.1": "krbLoginFailedCount", "2.16.840.1.113730.3.8.23.2": "ipaPwdMaxRepeat",
	} {
		fmt.Fprintf(&b, "attributeTypes: ( %s NAME '%s' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )\n", oid, name)
	}
	b.WriteString(`objectClasses: ( 2.16.840.1.113730.3.8.4.12 NAME 'ipaObject' AUXILIARY MUST ipaUniqueID )
objectClasses: ( 2.16.840.1.113730.3.8.12.19 NAME 'ipaUserAuthTypeClass' SUP top AUXILIARY MAY ipaUserAuthType )
objectClasses: ( 2.16.840.1.113730.3.8.4.3 NAME 'nestedGroup' SUP groupOfNames STRUCTURAL MAY memberOf )
objectClasses: ( 2.16.840.1.113730.3.8.4.4 NAME 'ipaUserGroup' SUP nestedGroup STRUCTURAL )
objectClasses: ( 2.16.840.1.113719.1.301.6.8.1 NAME 'krbPrincipalAux' AUXILIARY MAY ( krbPrincipalKey $ krbPrincipalExpiration $ krbPasswordExpiration $ krbPwdPolicyReference $ krbLastPwdChange $ krbLastFailedAuth $ krbLoginFailedCount $ krbLastAdminUnlock ) )
objectClasses: ( 2.16.840.1.113719.1.301.6.14.1 NAME 'krbPwdPolicy' SUP top MUST cn MAY ( krbMaxPwdLife $ krbMinPwdLife $ krbPwdMinDiffChars $ krbPwdMinLength $ krbPwdHistoryLength $ krbPwdMaxFailure $ krbPwdLockoutDuration $ ipaPwdMaxRepeat ) )
`)
	return b.String()
}()

// FreeIPA is a real 389 Directory Server with FreeIPA's schema and tree, and before
// it a double of FreeIPA's plugins: it answers binds of locked accounts, counts
// wrong passwords, and takes the password modify operation, as their source does.
// Everything else the server answers itself.
type FreeIPA struct {
	*DS389
	URL string // of the double

	// OutOfGrace refuses sign-ins with a password that ended, before it is looked at
	// (ipa-graceperiod, where the policy has a passwordGraceLimit).
	OutOfGrace bool
	// Refuse, when set, is what the next password is refused with.
	Refuse string

	mu   sync.Mutex // one operation of the plugins at a time
	past map[string][]string
}

// StartFreeIPA runs one until the test ends. policy are attributes of the global
// policy that differ; rights replace IPARights.
func StartFreeIPA(t testing.TB, policy map[string]string, rights []string) *FreeIPA {
	t.Helper()
	if rights == nil {
		rights = IPARights
	}
	off := map[string]string{"passwordCheckSyntax": "off", "passwordHistory": "off", "passwordMustChange": "off", "passwordLockout": "off", "passwordTrackUpdateTime": "off"}
	f := &FreeIPA{DS389: StartDS389(t, DS389Options{Policy: off, Rights: rights, Schema: ipaSchema}), past: make(map[string][]string)}
	for _, dn := range []string{"cn=accounts," + Suffix, IPAPeople, IPAGroups, "cn=etc," + Suffix, "cn=sysaccounts,cn=etc," + Suffix, "cn=kerberos," + Suffix, "cn=CONTOSO.COM,cn=kerberos," + Suffix,
		"cn=provisioning," + Suffix, ipaAside, IPAStaged, IPADeleted} {
		f.Add(t, dn, map[string][]string{"objectClass": {"nsContainer"}})
	}
	f.Add(t, IPAService, map[string][]string{"objectClass": {"account", "simpleSecurityObject"}, "uid": {"kunci"}, "userPassword": {servicePassword}})
	rules := map[string][]string{
		"objectClass": {"nsContainer", "krbPwdPolicy"}, "krbPwdMinLength": {"8"}, "krbPwdHistoryLength": {"3"}, "krbPwdMaxFailure": {"5"},
		"krbPwdLockoutDuration": {"60"}, "krbMaxPwdLife": {"7776000"}, "krbMinPwdLife": {"0"}, "krbPwdMinDiffChars": {"0"},
	}
	for name, value := range policy {
		rules[name] = []string{value}
	}
	f.Add(t, IPAPolicy, rules)
	certificate, key := f.Authority.Issue(t, "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(certificate, key)
	must(t, err)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	must(t, err)
	f.URL = "ldaps://" + listener.Addr().String()
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go f.serve(client)
		}
	}()
	return f
}

// Config is the server as an organization's directory.
func (f *FreeIPA) Config() org.DirectoryConfig {
	c := f.DS389.Config()
	c.Dialect, c.URLs, c.BindDN, c.BaseDN = org.FreeIPA, []string{f.URL}, IPAService, IPAPeople
	return c
}

// AddPerson makes somebody whose password nothing is asked of, and gives their name
// and key.
func (f *FreeIPA) AddPerson(t testing.TB, userID, password string, more map[string][]string) (dn, key string) {
	t.Helper()
	uid, _, _ := strings.Cut(userID, "@")
	dn = "uid=" + ldap.EscapeDN(uid) + "," + IPAPeople
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	key = fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	all := map[string][]string{
		"objectClass": {"inetOrgPerson", "krbPrincipalAux", "ipaObject", "ipaUserAuthTypeClass", "nsMemberOf"},
		"uid":         {uid}, "cn": {uid}, "sn": {uid}, "mail": {userID}, "ipaUniqueID": {key},
	}
	if password != "" {
		now := time.Now().UTC()
		all["userPassword"], all["krbLastPwdChange"] = []string{password}, []string{now.Format(ipaTime)}
		all["krbPasswordExpiration"] = []string{now.Add(90 * 24 * time.Hour).Format(ipaTime)}
	}
	for name, values := range more {
		all[name] = values
	}
	f.Add(t, dn, all)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.past[dn] = nil
	if password != "" {
		f.past[dn] = []string{password}
	}
	return dn, key
}

// RemoveKey deletes the entry with a key.
func (f *FreeIPA) RemoveKey(t testing.TB, key string) {
	t.Helper()
	f.AsRoot(t, func(c *ldap.Conn) error {
		found, err := c.Search(ldap.NewSearchRequest(IPAPeople, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 2, 0, false, "(ipaUniqueID="+key+")", []string{"1.1"}, nil))
		if err != nil || len(found.Entries) != 1 {
			return fmt.Errorf("no entry %s: %w", key, err)
		}
		return c.Del(ldap.NewDelRequest(found.Entries[0].DN, nil))
	})
}

// Advance makes everything that the plugins noted as much older.
func (f *FreeIPA) Advance(t testing.TB, by time.Duration) {
	t.Helper()
	f.AsRoot(t, func(c *ldap.Conn) error {
		times := []string{"krbLastPwdChange", "krbPasswordExpiration", "krbLastFailedAuth", "krbLastAdminUnlock"}
		found, err := c.Search(ldap.NewSearchRequest(IPAPeople, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(uid=*)", times, nil))
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			r := ldap.NewModifyRequest(e.DN, nil)
			for _, a := range e.Attributes {
				older, err := shift(a.Values, by)
				if err != nil {
					return err
				}
				r.Replace(a.Name, older)
			}
			if len(r.Changes) > 0 {
				if err := c.Modify(r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (f *FreeIPA) entry(dn string) (e *ldap.Entry) {
	_ = f.root(func(c *ldap.Conn) error { // nobody, where it does not answer
		found, err := c.Search(ldap.NewSearchRequest(dn, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"*"}, nil))
		if err == nil && len(found.Entries) == 1 {
			e = found.Entries[0]
		}
		return err
	})
	return e
}

func (f *FreeIPA) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", strings.TrimPrefix(f.address, "ldap://"))
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	bound := ""
	for {
		p, err := ber.ReadPacket(client)
		if err != nil || len(p.Children) < 2 {
			return
		}
		switch op := p.Children[1]; {
		case op.Tag == ldap.ApplicationUnbindRequest:
			return
		case op.Tag == ldap.ApplicationBindRequest:
			bound, err = f.bind(client, server, p)
		case op.Tag == ldap.ApplicationExtendedRequest && op.Children[0].Data.String() == "1.3.6.1.4.1.4203.1.11.1":
			err = f.password(client, server, p, bound)
		default:
			_, err = relay(client, server, p)
		}
		if err != nil {
			return
		}
	}
}

// relay lets the server answer.
func relay(client, server net.Conn, p *ber.Packet) (*ber.Packet, error) {
	if _, err := server.Write(p.Bytes()); err != nil {
		return nil, err
	}
	for {
		answer, err := ber.ReadPacket(server)
		if err != nil {
			return nil, err
		}
		if client != nil {
			if _, err := client.Write(answer.Bytes()); err != nil {
				return nil, err
			}
		}
		if tag := answer.Children[1].Tag; tag != ldap.ApplicationSearchResultEntry && tag != ldap.ApplicationSearchResultReference {
			return answer, nil
		}
	}
}

// answer is the plugin's own; policy is the error of the password policy control, or
// below zero.
func answer(client net.Conn, p *ber.Packet, tag ber.Tag, code int64, text string, policy int) error {
	m := ber.NewSequence("")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, p.Children[0].Value, ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", ""))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, text, ""))
	m.AppendChild(op)
	if policy >= 0 {
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		control := ber.NewSequence("")
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, ldap.ControlTypeBeheraPasswordPolicy, ""))
		control.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string([]byte{0x30, 3, 0x81, 1, byte(policy)}), ""))
		controls.AppendChild(control)
		m.AppendChild(controls)
	}
	_, err := client.Write(m.Bytes())
	return err
}

func when(e *ldap.Entry, attribute string) time.Time {
	at, _ := time.Parse(ipaTime, e.GetAttributeValue(attribute)) // zero for none
	return at
}

func whole(e *ldap.Entry, attribute string) (n int) {
	_, _ = fmt.Sscan(e.GetAttributeValue(attribute), &n) // zero for none
	return n
}

// bind is ipa-lockout before and after the server's own, and the end of an account.
func (f *FreeIPA) bind(client, server net.Conn, p *ber.Packet) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	dn := p.Children[1].Children[1].Data.String()
	e, rules := f.entry(dn), f.entry(IPAPolicy)
	if e == nil || rules == nil || !slices.Contains(e.GetAttributeValues("objectClass"), "krbPrincipalAux") {
		said, err := relay(client, server, p)
		if err != nil || said.Children[1].Children[0].Value.(int64) != 0 {
			return "", err
		}
		return dn, nil
	}
	now, most := time.Now().UTC(), whole(rules, "krbPwdMaxFailure")
	failed, last := whole(e, "krbLoginFailedCount"), when(e, "krbLastFailedAuth")
	lockFor := time.Duration(whole(rules, "krbPwdLockoutDuration")) * time.Second
	refuse := func(text string) (string, error) {
		return "", answer(client, p, ldap.ApplicationBindResponse, ldap.LDAPResultUnwillingToPerform, text, -1)
	}
	if end := when(e, "krbPrincipalExpiration"); !end.IsZero() && now.After(end) {
		return refuse("Account (Kerberos principal) is expired")
	}
	if end := when(e, "krbPasswordExpiration"); f.OutOfGrace && !end.IsZero() && now.After(end) {
		return "", answer(client, p, ldap.ApplicationBindResponse, ldap.LDAPResultInvalidCredentials, "Password is expired.\n", 0)
	}
	if last.After(when(e, "krbLastAdminUnlock")) && most > 0 && failed >= most {
		if lockFor == 0 {
			return refuse("Entry permanently locked.\n")
		} else if now.Before(last.Add(lockFor)) {
			return refuse("Too many failed logins.\n")
		}
		failed = 0
	}
	said, err := relay(nil, server, p)
	if err != nil {
		return "", err
	}
	r := ldap.NewModifyRequest(dn, nil)
	if said.Children[1].Children[0].Value.(int64) == 0 {
		r.Replace("krbLoginFailedCount", []string{"0"})
	} else {
		dn = ""
		r.Replace("krbLoginFailedCount", []string{fmt.Sprint(failed + 1)})
		r.Replace("krbLastFailedAuth", []string{now.Format(ipaTime)})
	}
	if err := f.root(func(c *ldap.Conn) error { return c.Modify(r) }); err != nil {
		return "", err
	}
	_, err = client.Write(said.Bytes())
	return dn, err
}

// password is the operation of ipa-pwd-extop: somebody else's password is judged by
// the history alone and ends at once.
func (f *FreeIPA) password(client, server net.Conn, p *ber.Packet, bound string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	say := func(code int64, text string, policy int) error {
		return answer(client, p, ldap.ApplicationExtendedResponse, code, text, policy)
	}
	value := ber.DecodePacket(p.Children[1].Children[1].Data.Bytes())
	var parts [3]string
	for _, child := range value.Children {
		parts[child.Tag] = child.Data.String()
	}
	dn, old, pw := parts[0], parts[1], parts[2]
	own := dn == "" || strings.EqualFold(dn, bound)
	if own {
		dn = bound
	}
	e, rules := f.entry(dn), f.entry(IPAPolicy)
	if e == nil || rules == nil {
		return say(ldap.LDAPResultNoSuchObject, "No such Entry exists.\n", -1)
	}
	past := f.past[dn]
	if own && (old == "" || len(past) == 0 || past[len(past)-1] != old) {
		return say(ldap.LDAPResultInvalidCredentials, "", -1)
	}
	may, err := allowed(server, dn)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	life := time.Duration(whole(rules, "krbMaxPwdLife")) * time.Second
	switch {
	case !may:
		return say(ldap.LDAPResultInsufficientAccessRights, "Insufficient access rights\n", -1)
	case f.Refuse != "":
		text := f.Refuse
		f.Refuse = ""
		return say(ldap.LDAPResultConstraintViolation, text, 3)
	case own && len([]rune(pw)) < whole(rules, "krbPwdMinLength"):
		return say(ldap.LDAPResultConstraintViolation, "Password is too short", 6)
	case slices.Contains(past, pw):
		return say(ldap.LDAPResultConstraintViolation, "Password reuse not permitted", 8)
	}
	r := ldap.NewModifyRequest(dn, nil)
	r.Replace("userPassword", []string{pw})
	r.Replace("krbPrincipalKey", []string{rand.Text()})
	if own {
		r.Replace("krbLastPwdChange", []string{now.Format(ipaTime)})
		r.Replace("krbPasswordExpiration", []string{now.Add(life).Format(ipaTime)})
	} else {
		for _, name := range []string{"krbLastPwdChange", "krbPasswordExpiration", "krbLastAdminUnlock"} {
			r.Replace(name, []string{now.Add(-time.Second).Format(ipaTime)})
		}
		r.Replace("krbLoginFailedCount", []string{"0"})
	}
	if err := f.root(func(c *ldap.Conn) error { return c.Modify(r) }); err != nil {
		return err
	}
	past = append(past, pw)
	f.past[dn] = past[max(0, len(past)-whole(rules, "krbPwdHistoryLength")):]
	return say(ldap.LDAPResultSuccess, "", -1)
}

// allowed asks the server whether who signed in may write a password: by a change
// that cannot happen.
func allowed(server net.Conn, dn string) (bool, error) {
	r := ber.NewSequence("")
	r.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, int64(1<<30), ""))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationModifyRequest, nil, "")
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, ""))
	changes := ber.NewSequence("")
	for _, c := range []struct {
		how         int64
		name, value string
	}{{ldap.DeleteAttribute, "krbPrincipalKey", rand.Text()}, {ldap.ReplaceAttribute, "userPassword", rand.Text()}} {
		change, part := ber.NewSequence(""), ber.NewSequence("")
		change.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, c.how, ""))
		part.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, c.name, ""))
		values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		values.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, c.value, ""))
		part.AppendChild(values)
		change.AppendChild(part)
		changes.AppendChild(change)
	}
	op.AppendChild(changes)
	r.AppendChild(op)
	said, err := relay(nil, server, r)
	if err != nil {
		return false, err
	}
	return said.Children[1].Children[0].Value.(int64) == ldap.LDAPResultNoSuchAttribute, nil
}
