package app

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"kunci.dev/kunci/internal/org"
	"kunci.dev/kunci/internal/store"
	"kunci.dev/kunci/internal/store/storetest"
	"kunci.dev/kunci/internal/webhook"
)

// sealedColumns are the values that are sealed and kept for long. A column that a
// later migration adds belongs here, and to Reseal.
var sealedColumns = []struct{ table, column string }{
	{"method", "sealed"}, {"token", "sealed"}, {"webhook", "sealed"}, {"audit_person", "sealed"},
	{"directory_password", "sealed"}, {"helpdesk_request", "sealed"}, {"helpdesk_request", "resolution"}, {"helpdesk_request", "work"},
}

// sealedUnder counts the values of every column by the key they are sealed under:
// the first five bytes name it.
func sealedUnder(t *testing.T, a *App, table, column string) map[string]int {
	t.Helper()
	found := make(map[string]int)
	err := a.DB.Read(t.Context(), func(tx *store.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT `+column+` FROM `+table)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var sealed []byte
			if err := rows.Scan(&sealed); err != nil {
				return err
			}
			if len(sealed) > 5 {
				found[fmt.Sprintf("%x", sealed[:5])]++
			}
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// After a rotation and "kunci keys reseal" the keyset may lose its old keys:
// tokens in stock and handed out, receivers of events, methods and requests open
// under the newest alone, and a program's key goes on working.
func TestNothingIsLeftUnderAnOldKey(t *testing.T) {
	for _, kind := range storetest.Kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			c, _ := filled(t, kind)
			var key, hook string
			with(t, c, func(a *App) {
				report, err := a.ImportTokens(t.Context(), "contoso", strings.NewReader(
					"upn,serial number,secret key\np0@contoso.com,1001,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n,1002,GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJR\n"), false)
				if err != nil || len(report.Bad) > 0 {
					t.Fatalf("%+v, %v", report, err)
				}
				if _, key, err = a.NewAPIKey(t.Context(), "contoso", "robot", org.Auditor, time.Hour); err != nil {
					t.Fatal(err)
				}
				h, _, err := a.AddWebhook(t.Context(), "contoso", webhook.Order{URL: "https://receiver.example.net/kunci"})
				if err != nil {
					t.Fatal(err)
				}
				hook = h.ID
				o := a.keepPassword(t)
				if pw, err := o.OpenKept(a.Keys); err != nil || pw != "kept" {
					t.Fatalf("the kept password: %q, %v", pw, err)
				}
			})
			if err := RotateKeys(c); err != nil {
				t.Fatal(err)
			}
			with(t, c, func(a *App) {
				if _, err := a.Reseal(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
				newest, err := a.Keys.Seal([]byte("x"), "y")
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range sealedColumns {
					under := sealedUnder(t, a, s.table, s.column)
					for prefix, n := range under {
						if prefix != fmt.Sprintf("%x", newest[:5]) {
							t.Errorf("%s.%s: %d values are sealed under an old key", s.table, s.column, n)
						}
					}
					if len(under) == 0 && s.column == "sealed" {
						t.Errorf("%s holds nothing that could be sealed again", s.table)
					}
				}
				if n, err := a.Reseal(t.Context(), nil); err != nil || n != 0 {
					t.Errorf("the second time %d, %v", n, err)
				}
			})
			with(t, c, func(a *App) {
				o, err := a.Organization(t.Context(), "fabrikam")
				if err != nil {
					t.Fatal(err)
				}
				if pw, err := o.OpenKept(a.Keys); err != nil || pw != "kept" {
					t.Errorf("the kept password: %q, %v", pw, err)
				}
				tokens, err := a.ListTokens(t.Context(), "contoso")
				if err != nil || len(tokens) != 2 || !bytes.Equal(tokens[0].Seed, []byte("12345678901234567890")) || !bytes.Equal(tokens[1].Seed, []byte("12345678901234567891")) {
					t.Errorf("tokens: %v, %v", tokens, err)
				}
				hooks, err := a.ListWebhooks(t.Context(), "contoso")
				if err != nil || len(hooks) != 1 || hooks[0].ID != hook || hooks[0].Host != "receiver.example.net" {
					t.Errorf("receivers: %+v, %v", hooks, err)
				}
				if caller, err := a.Admin.ByAPIKey(t.Context(), key); err != nil || caller.Role != org.Auditor {
					t.Errorf("the program's key: %+v, %v", caller, err)
				}
			})
		})
	}
}

// keepPassword connects an organization to a directory with a password that is kept.
func (a *App) keepPassword(t *testing.T) *org.Organization {
	t.Helper()
	_, err := a.Apply(t.Context(), strings.NewReader("organization: fabrikam\nname: Fabrikam\ndomains: [fabrikam.com]\nsupport: {email: h@example.org}\n"), "")
	if err != nil {
		t.Fatal(err)
	}
	o, err := a.Organization(t.Context(), "fabrikam")
	if err != nil {
		t.Fatal(err)
	}
	err = a.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := a.Orgs.SetDirectory(t.Context(), tx, operator, o.ID, org.DirectoryConfig{
			Kind: org.LDAP, Dialect: org.OpenLDAP, URLs: []string{"ldaps://ldap.contoso.com"}, BindDN: "cn=kunci", BindPassword: org.KeptPassword, BaseDN: "dc=contoso",
		}, "kept", o.Version)
		return err
	})
	if err == nil {
		o, err = a.Organization(t.Context(), "fabrikam")
	}
	if err != nil {
		t.Fatal(err)
	}
	return o
}
