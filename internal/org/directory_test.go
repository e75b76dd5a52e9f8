package org

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/config"
)

// atLDAP is a file with a directory, and the folder that its files are in.
func atLDAP(t *testing.T, change func(lines map[string]string)) (text, folder string) {
	t.Helper()
	folder = t.TempDir()
	for _, name := range []string{"password", "ca.pem"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lines := map[string]string{
		"kind": "ldap", "dialect": "openldap", "urls": "[ldaps://a.contoso.com, \"ldaps://b.contoso.com:1636\"]", "bind_dn": "cn=kunci,dc=contoso,dc=com",
		"bind_password_file": "password", "ca_file": "ca.pem", "base_dn": "ou=people,dc=contoso,dc=com",
	}
	if change != nil {
		change(lines)
	}
	text = small + "directory:\n"
	for _, key := range []string{"kind", "dialect", "urls", "start_tls", "bind_dn", "bind_password_file", "ca_file", "base_dn", "user_filter", "group_filter", "attributes", "write_back", "sync"} {
		if lines[key] != "" {
			text += "  " + key + ": " + lines[key] + "\n"
		}
	}
	return text, folder
}

func TestEveryKeyOfADirectoryIsRead(t *testing.T) {
	text, folder := atLDAP(t, func(l map[string]string) {
		l["dialect"], l["urls"], l["start_tls"], l["write_back"] = "active_directory", "[ldap://a.contoso.com]", "true", "false"
		l["user_filter"], l["group_filter"] = `"(&(objectClass=person)(uid={user_id}))"`, `"(member={dn})"`
		l["sync"] = `{every: 30m, filter: "(employeeType=staff)"}`
		l["attributes"] = `{user_id: uid, display_name: cn, given_name: givenName, family_name: sn, language: preferredLanguage, group_name: cn,
    disabled: nsAccountLock, must_change: mustChange=yes, privileged: memberLevel=9, password_source: federated, email: otherMailbox, mobile_phone: mobile, office_phone: telephoneNumber}`
	})
	all, err := Parse(strings.NewReader(text), folder)
	if err != nil {
		t.Fatal(err)
	}
	want := DirectoryConfig{
		Kind: LDAP, Dialect: ActiveDirectory, URLs: []string{"ldap://a.contoso.com"}, StartTLS: true, BindDN: "cn=kunci,dc=contoso,dc=com",
		BindPasswordFile: filepath.Join(folder, "password"), CAFile: filepath.Join(folder, "ca.pem"), BaseDN: "ou=people,dc=contoso,dc=com",
		UserFilter: "(&(objectClass=person)(uid={user_id}))", GroupFilter: "(member={dn})",
		Attributes: DirectoryAttributes{"uid", "cn", "givenName", "sn", "preferredLanguage", "cn", "nsAccountLock", "mustChange=yes", "memberLevel=9", "federated", "otherMailbox", "mobile", "telephoneNumber"},
		Sync:       DirectorySync{30 * time.Minute, "(employeeType=staff)"},
	}
	if !reflect.DeepEqual(all[0].Directory, want) {
		t.Errorf("got  %+v\nwant %+v", all[0].Directory, want)
	}
}

// What is left out of a directory is on or empty, and a file that was written is
// read back as the same, wherever it lies.
func TestADirectoryIsWrittenAsItIsRead(t *testing.T) {
	text, folder := atLDAP(t, nil)
	all, err := Parse(strings.NewReader(text), folder)
	if err != nil {
		t.Fatal(err)
	}
	if !all[0].Directory.WriteBack {
		t.Error("without a word passwords are not written back")
	}
	before := all[0].organization(&Organization{})
	written, err := config.Encode(before.Document())
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(strings.NewReader(string(written)), "/nowhere")
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if changes := Difference(before, again[0].organization(&Organization{})); len(changes) > 0 {
		t.Errorf("reading what was written changes %v", changes)
	}
	own, err := config.Encode(parseOne(t, small).organization(&Organization{}).Document())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(own), "bind_dn") || strings.Contains(string(own), "urls") {
		t.Errorf("an organization that keeps its accounts here speaks of servers:\n%s", own)
	}
}

func TestWhatADirectoryIsRefusedFor(t *testing.T) {
	set := func(key, value string) func(map[string]string) {
		return func(l map[string]string) { l[key] = value }
	}
	for name, c := range map[string]struct {
		change func(map[string]string)
		key    string
	}{
		"an unknown kind":                {set("kind", "files"), "directory.kind"},
		"keys beside an embedded one":    {set("kind", "embedded"), "directory.kind"},
		"no dialect":                     {set("dialect", ""), "directory.dialect"},
		"an unknown dialect":             {set("dialect", "edirectory"), "directory.dialect"},
		"no server":                      {set("urls", ""), "directory.urls"},
		"too many servers":               {set("urls", "[ldaps://1, ldaps://2, ldaps://3, ldaps://4, ldaps://5, ldaps://6, ldaps://7, ldaps://8, ldaps://9]"), "directory.urls"},
		"a server in the open":           {set("urls", "[ldap://a]"), "directory.urls[0]"},
		"TLS twice":                      {set("start_tls", "true"), "directory.urls[0]"},
		"a server that is a page":        {set("urls", "[https://a]"), "directory.urls[0]"},
		"a server with a password":       {set("urls", "[\"ldaps://me:secret@a\"]"), "directory.urls[0]"},
		"a server with a base":           {set("urls", "[ldaps://a/dc=com]"), "directory.urls[0]"},
		"a server twice":                 {set("urls", "[ldaps://a, ldaps://a]"), "directory.urls[1]"},
		"no name to sign in with":        {set("bind_dn", ""), "directory.bind_dn"},
		"no password":                    {set("bind_password_file", ""), "directory.bind_password_file"},
		"a password file that is not":    {set("bind_password_file", "gone"), "directory.bind_password_file"},
		"an authority that is not there": {set("ca_file", "/nowhere/ca.pem"), "directory.ca_file"},
		"no base":                        {set("base_dn", ""), "directory.base_dn"},
		"a base that is a domain":        {set("base_dn", "contoso.com"), "directory.base_dn"},
		"a filter for everybody":         {set("user_filter", "(objectClass=person)"), "directory.user_filter"},
		"a filter with a pattern":        {set("user_filter", `"(mail={user_id}*)"`), "directory.user_filter"},
		"a filter with an odd bracket":   {set("user_filter", `"(|(mail={user_id})"`), "directory.user_filter"},
		"a list too often":               {set("sync", "{every: 1m}"), "directory.sync.every"},
		"a list with a place":            {set("sync", `{every: 1h, filter: "(mail={user_id})"}`), "directory.sync.filter"},
		"a list by an odd filter":        {set("sync", `{every: 1h, filter: "(a=b"}`), "directory.sync.filter"},
		"two filters":                    {set("user_filter", `"(mail={user_id})(a=b)"`), "directory.user_filter"},
		"a filter with another place":    {set("user_filter", `"(&(mail={user_id})(uid={user}))"`), "directory.user_filter"},
		"a user ID as an attribute":      {set("user_filter", `"({user_id}=x)"`), "directory.user_filter"},
		"a group filter without members": {set("group_filter", "(objectClass=group)"), "directory.group_filter"},
		"a group filter with a typed ID": {set("group_filter", `"(memberUid={user_id})"`), "directory.group_filter"},
		"an attribute that is a filter":  {set("attributes", `{user_id: "mail)(x"}`), "directory.attributes.user_id"},
		"a name with a value":            {set("attributes", "{display_name: cn=x}"), "directory.attributes.display_name"},
		"a flag without a name":          {set("attributes", `{disabled: "=x"}`), "directory.attributes.disabled"},
		"an attribute of nothing":        {set("attributes", "{shoe_size: x}"), "directory.attributes.shoe_size"},
		"an address as a method":         {set("attributes", "{mail: mail}"), "directory.attributes.mail"},
		"phones as methods":              {set("attributes", "{phones: mobile}"), "directory.attributes.phones"},
		"a password in the file":         {func(l map[string]string) { l["bind_dn"] = "cn=kunci\n  bind_password: secret" }, "directory.bind_password"},
	} {
		t.Run(name, func(t *testing.T) {
			text, folder := atLDAP(t, c.change)
			_, err := Parse(strings.NewReader(text), folder)
			var faults config.Faults
			if !errors.As(err, &faults) {
				t.Fatalf("it is taken: %v", err)
			}
			for _, f := range faults {
				if f.Key == c.key {
					if written := strings.Contains(text, "\n  "+keyPath(c.key)[1]+":"); written && f.Line == 0 {
						t.Errorf("%s has no line", f.Key)
					}
					return
				}
			}
			t.Errorf("%s is not refused: %v", c.key, faults)
		})
	}
}
