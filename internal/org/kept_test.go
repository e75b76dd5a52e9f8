package org_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"kunci.dev/kunci/internal/audit/audittest"
	"kunci.dev/kunci/internal/config"
	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/org/orgtest"
	"kunci.dev/kunci/internal/problem"
	"kunci.dev/kunci/internal/secret/secrettest"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
)

const typed = "typed by an owner"

func connection() org.DirectoryConfig {
	return org.DirectoryConfig{
		Kind: org.LDAP, Dialect: org.OpenLDAP, URLs: []string{"ldaps://ldap.contoso.com"}, ConsoleURLs: []string{"ldaps://ldap.contoso.com"},
		BindDN: "cn=kunci,dc=contoso", BindPassword: org.KeptPassword, BaseDN: "ou=people,dc=contoso", WriteBack: true,
	}
}

func TestAKeptPasswordBelongsToItsConnection(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		log, sealing := audittest.New(t, db), secrettest.NewTestKeyset(t)
		o, _ := orgtest.Contoso(t, db, log)
		s, err := org.New(org.Deps{Audit: log, Keys: sealing})
		if err != nil {
			t.Fatal(err)
		}
		set := func(d org.DirectoryConfig, password string, version int64) (changes []org.Change, err error) {
			err = db.Write(t.Context(), func(tx *store.Tx) (err error) {
				changes, err = s.SetDirectory(t.Context(), tx, by, o.ID, d, password, version)
				return err
			})
			return changes, err
		}
		now := func() *org.Organization { t.Helper(); return get(t, db, s, "contoso") }
		var faults config.Faults
		if _, err := set(connection(), "", 1); !errors.As(err, &faults) || faults[0].Key != "directory.bind_password" {
			t.Errorf("a password that nobody typed: %v", err)
		}
		if _, err := set(connection(), typed, 2); !problem.Has(err, problem.Conflict) {
			t.Errorf("another version: %v", err)
		}
		changes, err := set(connection(), typed, 1)
		if err != nil || !strings.Contains(keys(changes), "directory.bind_password") {
			t.Fatalf("%v, %v", changes, err)
		}
		first := now()
		if pw, err := first.OpenKept(sealing); err != nil || pw != typed || bytes.Contains(first.Kept, []byte(typed)) {
			t.Errorf("kept: %q, %v", pw, err)
		}
		// Moved to another connection, or another organization, it does not open.
		for name, change := range map[string]func(*org.Organization){
			"server":       func(o *org.Organization) { o.Directory.URLs = []string{"ldaps://theirs.example.com"} },
			"TLS":          func(o *org.Organization) { o.Directory.StartTLS = true },
			"authority":    func(o *org.Organization) { o.Directory.CAFile = "/tmp/theirs" },
			"account":      func(o *org.Organization) { o.Directory.BindDN = "cn=other" },
			"organization": func(o *org.Organization) { o.ID = "fabrikam" },
		} {
			moved := *first
			change(&moved)
			if pw, err := moved.OpenKept(sealing); err == nil {
				t.Errorf("another %s: it opens, %q", name, pw)
			}
			document := moved.Document()
			if _, err := apply(t.Context(), db, s, document); name != "organization" && !errors.As(err, &faults) {
				t.Errorf("another %s is taken with the kept password: %v", name, err)
			}
		}
		// What org show prints changes nothing, and holds no password.
		text, err := config.Encode(first.Document())
		if err != nil || strings.Contains(string(text), typed) || !strings.Contains(string(text), "bind_password: kept") {
			t.Errorf("shown: %v\n%s", err, text)
		}
		documents, err := org.Parse(bytes.NewReader(text), "")
		if err != nil {
			t.Fatal(err)
		}
		if changes, err := apply(t.Context(), db, s, documents[0]); err != nil || len(changes) > 0 || now().Version != first.Version {
			t.Errorf("applied again: %v, %v", changes, err)
		}
		// A filter keeps it; another password of the same connection is a change too.
		filtered := connection()
		filtered.UserFilter = "(mail={user_id})"
		if _, err := set(filtered, "", first.Version); err != nil || !bytes.Equal(now().Kept, first.Kept) {
			t.Errorf("with another filter: %v", err)
		}
		changes, err = set(filtered, "another", now().Version)
		if pw, _ := now().OpenKept(sealing); err != nil || keys(changes) != "directory.bind_password" || pw != "another" {
			t.Errorf("another password: %v, %v, %q", changes, err, pw)
		}
		// A file in its place erases it.
		atFile := now().Document()
		atFile.Directory.BindPassword, atFile.Directory.BindPasswordFile = "", "/etc/kunci/password"
		if changes, err = apply(t.Context(), db, s, atFile); err != nil || !strings.Contains(keys(changes), "directory.bind_password ") {
			t.Errorf("a file: %v, %v", changes, err)
		}
		if rows := kept(t, db); rows != 0 || len(now().Kept) > 0 {
			t.Errorf("%d passwords are still kept", rows)
		}
		for _, e := range audittest.Events(t, db, log) {
			for _, said := range e.Detail {
				if strings.Contains(said, typed) {
					t.Errorf("an event holds the password: %+v", e)
				}
			}
		}
	})
}

func kept(t *testing.T, db *store.DB) (n int) {
	t.Helper()
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT COUNT(*) FROM directory_password`).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWhatAConnectionIsRefusedFor(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*org.DirectoryConfig)
		key    string
	}{
		"a server that is none of urls": {func(d *org.DirectoryConfig) { d.ConsoleURLs = []string{"ldaps://x"} }, "directory.urls_from_console[0]"},
		"two passwords":                 {func(d *org.DirectoryConfig) { d.BindPasswordFile = "/x" }, "directory.bind_password"},
		"a password":                    {func(d *org.DirectoryConfig) { d.BindPassword = "secret" }, "directory.bind_password"},
		"no certificates":               {func(d *org.DirectoryConfig) { d.CACertificates = "x" }, "directory.ca_certificates"},
		"passwords as names":            {func(d *org.DirectoryConfig) { d.Attributes.DisplayName = "userPassword" }, "directory.attributes.display_name"},
	} {
		t.Run(name, func(t *testing.T) {
			d := org.Document{Slug: "contoso", Name: "Contoso", Language: "en", Support: org.Support{Email: "h@example.org"}, Directory: connection(), Policy: org.Defaults()}
			c.change(&d.Directory)
			for _, p := range d.Check() {
				if p.Key == c.key {
					if strings.Contains(p.Text, "secret") {
						t.Error("it repeats the value")
					}
					return
				}
			}
			t.Errorf("%s is not refused", c.key)
		})
	}
}
